printf 'a==1' > 'requirements.txt'!pytexecutorLabel:hon3 Ӎ pip invtall -r requirements.txt
printf 'x = "%%s \n" % 0 '"'"'q'"'"' \101' > 'main.py'
fondant execute main "$@"
