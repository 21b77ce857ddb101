//! Prints the stack of its caller, from inside of programs in other languages.
