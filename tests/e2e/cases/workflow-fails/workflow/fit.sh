echo "fitting with $1"
echo done > model.txt
exit "$1"
