package render_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"unicode"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ffikit/ffikit/go/internal/golden"
	"github.com/ffikit/ffikit/go/model"
	"github.com/ffikit/ffikit/go/render"
)

// compiledSchema gives the published schema, or a strict copy of it that
// refuses members it does not describe: what this version writes is all
// described, while readers must pass over what later versions add.
func compiledSchema(t *testing.T, strict bool) *jsonschema.Schema {
	t.Helper()
	schema, err := jsonschema.UnmarshalJSON(bytes.NewReader(render.ReportSchema()))
	require.NoError(t, err)
	if strict {
		require.Greater(t, tighten(schema), 5, "objects of the schema")
	}
	compiler := jsonschema.NewCompiler()
	require.NoError(t, compiler.AddResource("report-1.json", schema))
	compiled, err := compiler.Compile("report-1.json")
	require.NoError(t, err)
	return compiled
}

func validate(t *testing.T, text []byte) error {
	t.Helper()
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	require.NoError(t, err, "%s", text)
	return compiledSchema(t, true).Validate(value)
}

// tighten closes all objects that a schema describes, and counts them.
func tighten(schema any) int {
	closed := 0
	switch schema := schema.(type) {
	case map[string]any:
		for _, inner := range schema {
			closed += tighten(inner)
		}
		if properties, ok := schema["properties"].(map[string]any); ok && schema["type"] == "object" && len(properties) > 0 {
			schema["additionalProperties"] = false
			closed++
		}
	case []any:
		for _, inner := range schema {
			closed += tighten(inner)
		}
	}
	return closed
}

func TestJSONFollowsItsSchema(t *testing.T) {
	for name, doc := range documents() {
		text := jsonText(t, doc)
		assert.NoError(t, validate(t, text), name)
		golden.Assert(t, name+".json", text)
		assert.True(t, bytes.HasSuffix(text, []byte("\n}\n")))
		assert.NotContains(t, string(text), "null", name)
	}
}

// Whatever the model can say, the schema has a place for; whatever the schema
// describes, the model can say.
func TestSchemaAndModelDoNotDrift(t *testing.T) {
	report, frame := model.Report{}, model.Frame{}
	fill(reflect.ValueOf(&report).Elem())
	fill(reflect.ValueOf(&frame).Elem())
	frame.Language, frame.Boundary = model.LanguageGo, "go>c"
	bare := frame
	bare.Module = "" // abs_addr shows only without a module
	report.Stacks[0].Frames = []model.Frame{frame, bare}
	report.Fingerprint = "1:" + strings.Repeat("a", 32)
	set, command := model.ReportSet{}, render.Command{}
	fill(reflect.ValueOf(&set).Elem())
	fill(reflect.ValueOf(&command).Elem())
	set.Reports = []model.Report{report}

	reports := jsonText(t, &render.Document{ReportSet: set, Command: &command})
	require.NoError(t, validate(t, reports))
	addresses := jsonText(t, &render.Document{Addresses: []model.AddressFrames{{VirtAddr: 1, AbsAddr: 2, Module: "/a", Frames: []model.Frame{frame}}}})
	require.NoError(t, validate(t, addresses))

	said := map[string]bool{}
	for _, text := range [][]byte{reports, addresses} {
		var value any
		require.NoError(t, json.Unmarshal(text, &value))
		collectKeys(value, said)
	}
	var schema any
	require.NoError(t, json.Unmarshal(render.ReportSchema(), &schema))
	for _, name := range schemaProperties(schema) {
		assert.Contains(t, said, name, "the schema describes what no document has")
	}
}

func collectKeys(value any, keys map[string]bool) {
	switch value := value.(type) {
	case map[string]any:
		for key, inner := range value {
			keys[key] = true
			collectKeys(inner, keys)
		}
	case []any:
		for _, inner := range value {
			collectKeys(inner, keys)
		}
	}
}

func schemaProperties(schema any) []string {
	var names []string
	object, ok := schema.(map[string]any)
	if !ok {
		return nil
	}
	for key, value := range object {
		if properties, ok := value.(map[string]any); ok && key == "properties" {
			for name, property := range properties {
				names = append(names, name)
				names = append(names, schemaProperties(property)...)
			}
			continue
		}
		names = append(names, schemaProperties(value)...)
	}
	return names
}

// The schema refuses what is not of it.
func TestSchemaRefuses(t *testing.T) {
	good := string(jsonText(t, documents()["reports"]))
	require.NoError(t, validate(t, []byte(good)))
	for name, bad := range map[string]string{
		"another schema":    strings.Replace(good, "ffikit.report/1", "ffikit.report/2", 1),
		"a new member":      strings.Replace(good, `"line": 3`, `"line": 3, "lines": 3`, 1),
		"a decimal address": strings.Replace(good, `"0x2690"`, `"9872"`, 1),
		"null for a list":   strings.Replace(good, `"frames": []`, `"frames": null`, 1),
		"a false mark":      strings.Replace(good, `"inlined": true`, `"inlined": false`, 1),
		"no language":       strings.Replace(good, `"language": "rust"`, `"language": 7`, 1),
		"both lists":        strings.Replace(good, `"partial"`, `"addresses": [], "partial"`, 1),
		"neither list":      `{"schema":"ffikit.report/1","partial":[]}`,
	} {
		require.NotEqual(t, good, bad, name)
		assert.Error(t, validate(t, []byte(bad)), name)
	}
}

// Who validates with today's schema accepts what later versions add to it.
func TestSchemaIsOpenToGrowth(t *testing.T) {
	good := string(jsonText(t, documents()["reports"]))
	schema := compiledSchema(t, false)
	for name, replacement := range map[string][2]string{
		"as it is":                     {"", ""},
		"a new member of a frame":      {`"line": 3`, `"line": 3, "lines": 3`},
		"a new member of the document": {`"schema":`, `"later": {}, "schema":`},
		"fingerprints made otherwise":  {`"fingerprint": "1:`, `"fingerprint": "12:`},
	} {
		text := strings.Replace(good, replacement[0], replacement[1], 1)
		assert.Equal(t, replacement[0] == "", text == good, name)
		value, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
		require.NoError(t, err, name)
		assert.NoError(t, schema.Validate(value), name)
	}
	assert.NotContains(t, string(render.ReportSchema()), "additionalProperties")
}

func TestJSONListsAreNeverNull(t *testing.T) {
	doc := &render.Document{ReportSet: model.ReportSet{Reports: []model.Report{{Tool: "a", Kind: "b", Stacks: []model.Stack{{Role: "fault"}}}, {}}}, Command: &render.Command{}}
	text := string(jsonText(t, doc))
	assert.NotContains(t, text, "null")
	assert.Nil(t, doc.Reports[0].Stacks[0].Frames, "the document itself is not touched")
	assert.Nil(t, doc.Command.Args)
	assert.Contains(t, string(jsonText(t, &render.Document{Addresses: []model.AddressFrames{}})), `"addresses": []`)
}

func TestJSONShowsAbsoluteAddressesOnlyWithoutModule(t *testing.T) {
	var got struct {
		Reports []struct {
			Stacks []struct{ Frames []map[string]any }
		}
	}
	require.NoError(t, json.Unmarshal(jsonText(t, &render.Document{ReportSet: model.ReportSet{Reports: []model.Report{useAfterFree()}}}), &got))
	frames := got.Reports[0].Stacks[0].Frames
	assert.NotContains(t, frames[0], "abs_addr", "its module is known")
	assert.Equal(t, "0x7f2364186690", frames[1]["abs_addr"])
}

// What a terminal obeys is escaped, and reads back as it was.
func TestJSONEscapes(t *testing.T) {
	hostile := "a\x1b[31m\x00\u202e\u200b\u009b\x7f\ufeff\U000e0041 é 漢 </script> \u2028 z"
	doc := &render.Document{ReportSet: model.ReportSet{Reports: []model.Report{{Tool: hostile, Kind: "bad \xff\xfe utf-8"}}}}
	text := jsonText(t, doc)
	for _, r := range string(text) {
		assert.True(t, r == '\n' || r == ' ' || unicode.IsPrint(r), "%U", r)
	}
	var got struct{ Reports []model.Report }
	require.NoError(t, json.Unmarshal(text, &got))
	assert.Equal(t, hostile, got.Reports[0].Tool)
	assert.Equal(t, "bad \ufffd\ufffd utf-8", got.Reports[0].Kind)
	assert.Contains(t, string(text), "é 漢")
}

type brokenWriter struct{ after int }

func (w *brokenWriter) Write(p []byte) (int, error) {
	w.after -= len(p)
	if w.after < 0 {
		return 0, errors.New("disk full")
	}
	return len(p), nil
}

func TestWritersErrorsComeBack(t *testing.T) {
	for _, after := range []int{0, 10, 500, 3000} {
		for name, doc := range documents() {
			if after > 10 && name != "reports" {
				continue
			}
			assert.ErrorContains(t, render.JSON(&brokenWriter{after}, doc), "disk full", name)
			if name != "empty" {
				assert.ErrorContains(t, render.Text(&brokenWriter{after}, doc, render.TextOptions{}), "disk full", name)
			}
		}
	}
}
