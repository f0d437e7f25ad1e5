"""`python -m macromicro.book`: build the book of a finished study."""

import sys

from macromicro.book.book import main

if __name__ == "__main__":
    sys.exit(main())
