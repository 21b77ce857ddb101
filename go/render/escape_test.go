package render

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// A long name keeps what tells most.
func TestShortenFunction(t *testing.T) {
	for name, want := range map[string]string{
		"<intake::expiry::Expired as core::ops::drop::Drop>::drop":                                          "<intake::expiry::Expired as Drop>::drop",
		"<alloc::vec::Vec<T> as core::convert::From<alloc::boxed::Box<str>>>::from":                         "<alloc::vec::Vec<…> as From<…>>::from",
		"std::panicking::catch_unwind::do_call::<pyo3::impl_::trampoline<a, b>::{closure#0}, Result<c, d>>": "std::panicking::catch_unwind::do_call::<…>",
		"ns::Table<std::string, std::vector<int>>::insert(std::string const&, int)":                         "ns::Table<…>::insert(std::string const&, int)",
		"ns::call(std::function<void (int, char)> const&, std::shared_ptr<ns::State>, unsigned long)":       "ns::call(…)",
		"std::operator<< <std::char_traits<char>>(std::basic_ostream<char>&, signed char const*)":           "std::operator<< <…>(…)",
		"ns::T<int, int>::operator->(unsigned long long, unsigned long long, unsigned char)":                "ns::T<…>::operator->(…)",
		"ns::call<decltype(a->b)>(std::function<void (int)>, ns::Another, ns::AndOneMore, int)":             "ns::call<…>(…)",
		"short": "short",
		"main.aFunctionNameThatIsVeryLongIndeedAndHasNoBracketsAtAllToLeaveOut": "main.aFunctionName…asNoBracketsAtAllToLeaveOut",
		"unbalanced<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<":         "unbalanced<<<<<<<<…<<<<<<<<<<<<<<<<<<<<<<<<<<<",
	} {
		assert.Equal(t, want, shortenFunction(name, 46))
	}
}

func TestShortenPlace(t *testing.T) {
	for place, want := range map[string]string{
		"/src/a.c:1":                                  "/src/a.c:1",
		"/src/a/rather/deep/folder/file.c:12:3":       "…/deep/folder/file.c:12:3",
		"relative/and/rather/deep/folder/file.c:12:3": "…/deep/folder/file.c:12:3",
		"/x/a-file-name-that-alone-is-too-long.c:12":  "/x/a-file…s-too-long.c:12",
	} {
		assert.Equal(t, want, shortenPlace(place, 25))
	}
}
