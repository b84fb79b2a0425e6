import sys

from fondant_operator.cli import main

if __name__ == "__main__":
    sys.exit(main())
