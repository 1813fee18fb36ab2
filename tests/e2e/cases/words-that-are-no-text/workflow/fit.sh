printf 'caf\351 \033[31mred\n'
mkdir -p out
echo 1 > 'out/größe ☃.txt'
touch "$(printf 'out/other-\377.txt')"
