echo 1 > model.txt
