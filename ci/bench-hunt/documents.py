"""documents.py COUNT: XML by lxml: made, written, read, and Python objects around it."""

import sys

from lxml import etree

ITEMS = 300
KEPT = []


def build(number):
    """A document of some items."""
    root = etree.Element("root")
    for i in range(ITEMS):
        item = etree.SubElement(root, "item", id=str(i))
        item.text = f"text {i * number}"
    return root


def parse(text):
    """What the items say."""
    return [item.get("id") + item.text for item in etree.fromstring(text)]


def work(number):
    """One document there and back; one in twenty is kept for ever."""
    text = etree.tostring(build(number))
    if number % 20 == 0:
        KEPT.append(etree.fromstring(text))  # LEAK
    return len(parse(text))


print(sum(work(number) for number in range(int(sys.argv[1]) if len(sys.argv) > 1 else 600)))
