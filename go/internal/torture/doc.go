// Package torture makes bad files out of good ones: mutants, by a seed, of real
// object files, edited where a reader trusts them most; and bombs, small files
// that ask for endless work, built from nothing. It only makes them. The program
// in driver feeds mutants to the symbolizer and watches it; `make torture` runs
// that over the corpus of ci/torture-symbolize.
package torture
