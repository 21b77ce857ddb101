"""Why ffikit's answers differ from llvm-symbolizer's, class by class; the page prints it."""

EXPLAINED: dict[str, str] = {}
