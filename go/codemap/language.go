package codemap

import "github.com/ffikit/ffikit/go/model"

// The values of Function.Language. They are written to files: none changes its
// meaning, new ones are added at the end.
const (
	LanguageUnknown uint8 = iota
	LanguageC
	LanguageCPP
	LanguageRust
	LanguageGo
	LanguagePython
	LanguageCython
	LanguageAsm
)

var languages = [...]model.Language{
	LanguageUnknown: model.LanguageUnknown,
	LanguageC:       model.LanguageC,
	LanguageCPP:     model.LanguageCPP,
	LanguageRust:    model.LanguageRust,
	LanguageGo:      model.LanguageGo,
	LanguagePython:  model.LanguagePython,
	LanguageCython:  model.LanguageCython,
	LanguageAsm:     model.LanguageAsm,
}

// ModelLanguage gives the model's word for a Function.Language; what it does
// not know is LanguageUnknown.
func ModelLanguage(code uint8) model.Language {
	if int(code) < len(languages) {
		return languages[code]
	}
	return model.LanguageUnknown
}

// LanguageCode gives the Function.Language of the model's word.
func LanguageCode(language model.Language) uint8 {
	for code, known := range languages {
		if known == language {
			return uint8(code)
		}
	}
	return LanguageUnknown
}
