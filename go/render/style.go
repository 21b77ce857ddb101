package render

import "github.com/ffikit/ffikit/go/model"

// style is an ANSI SGR sequence; it is written only where colour is asked for.
type style string

const (
	styleBold   style = "\x1b[1m"
	styleDim    style = "\x1b[2m"
	styleRed    style = "\x1b[1;31m"
	styleYellow style = "\x1b[33m"
	styleCyan   style = "\x1b[36m"
	styleReset  style = "\x1b[0m"
)

var languageStyles = map[model.Language]style{
	model.LanguageC:      "\x1b[34m",
	model.LanguageCPP:    "\x1b[34m",
	model.LanguageRust:   "\x1b[31m",
	model.LanguageGo:     "\x1b[36m",
	model.LanguagePython: "\x1b[33m",
	model.LanguageCython: "\x1b[33m",
	model.LanguageAsm:    "\x1b[35m",
}

func (p *textPrinter) paint(s style, text string) string {
	if !p.opts.Color || s == "" || text == "" {
		return text
	}
	return string(s) + text + string(styleReset)
}
