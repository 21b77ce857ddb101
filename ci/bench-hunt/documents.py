"""documents.py COUNT: XML by lxml, and Python objects around it."""

import sys

from lxml import etree

TEXT = b"<all>" + b"".join(b'<item n="%d"><name>item %d</name></item>' % (n, n) for n in range(40)) + b"</all>"
KEPT = []


def parse():
    """One document's names."""
    return [item.findtext("name") for item in etree.fromstring(TEXT)]


def keep():
    """A document that nobody will look at again."""
    KEPT.append(etree.fromstring(TEXT))  # LEAK


def main():
    """Parses, and keeps one in a hundred."""
    for i in range(int(sys.argv[1]) if len(sys.argv) > 1 else 1000):
        parse()
        if i % 100 == 0:
            keep()


main()
