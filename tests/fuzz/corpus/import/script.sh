printf 'a==1' > 'requirements.txt'
python3 -m pip install -r requirements.txt
printf 'x = "%%s \n" % 1 '"'"'q'"'"' \101' > 'main.py'
fondant execute main "$@"
