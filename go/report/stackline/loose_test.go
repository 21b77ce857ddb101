package stackline_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ffikit/ffikit/go/report/stackline"
)

// marked gives the line with what was found put in where it fits.
func marked(line string) string {
	var texts stackline.Strings
	out, done := "", 0
	stackline.Unplaced([]byte(line), &texts, func(l stackline.Loose) {
		word := fmt.Sprintf("<%s %v", l.Frame.Module, l.Frame.VirtAddr)
		if l.Frame.BuildID != "" {
			word += " " + l.Frame.BuildID
		}
		if l.Frame.Function != "" {
			word += " " + l.Frame.Function
		}
		if l.Return {
			word += " return"
		}
		out += line[done:l.Insert] + word + ">"
		done = l.Insert
	})
	return out + line[done:]
}

func TestUnplaced(t *testing.T) {
	for _, test := range []struct{ line, want string }{
		// Sanitizers and LLVM.
		{"    #0 0x55e0 (/bin/app+0x12) (BuildId: AB12)\n", "    #0 0x55e0 </bin/app 0x12 ab12>(/bin/app+0x12) (BuildId: AB12)\n"},
		{"    #1 0x55e0 in f (/bin/my app (2)+0x12)\r\n", "    #1 0x55e0 in f </bin/my app (2) 0x12 f>(/bin/my app (2)+0x12)\r\n"},
		{"12:     #1 0x55e0  (/bin/app+0x12)", "12:     #1 0x55e0  </bin/app 0x12>(/bin/app+0x12)"},
		{"    #1 0x55e0 in f /src/a.c:3:1", "    #1 0x55e0 in f /src/a.c:3:1"},
		{"    #1 0x55e0 in f /src/a.c:3:1 (/bin/app+0x12) (BuildId: ab12)", "    #1 0x55e0 in f /src/a.c:3:1 (/bin/app+0x12) (BuildId: ab12)"},
		{"    #1 0x55e0 (<unknown module>)", "    #1 0x55e0 (<unknown module>)"},
		// glibc.
		{"/bin/app(+0x12) [0x55e0]", "/bin/app(+0x12) [0x55e0]</bin/app 0x12 return>"},
		{"./app(+0x12)[0x55e0]", "./app(+0x12)[0x55e0]<./app 0x12 return>"},
		{"log: /bin/app(+0x12) [0x55e0], /lib/x.so(+0x34) [0x7f00] end", "log: /bin/app(+0x12) [0x55e0]</bin/app 0x12 return>, /lib/x.so(+0x34) [0x7f00]</lib/x.so 0x34 return> end"},
		{"/bin/my app(+0x12) [0x55e0]", "/bin/my app(+0x12) [0x55e0]</bin/my app 0x12 return>"},
		{"/lib/libc.so.6(abort+0x12) [0x55e0]", "/lib/libc.so.6(abort+0x12) [0x55e0]"},
		{"/bin/app() [0x401136]", "/bin/app() [0x401136]</bin/app 0x401136 return>"},
		{"/bin/app()[0x401136]", "/bin/app()[0x401136]</bin/app 0x401136 return>"},
		{"app(+0x12) [0x55e0]", "app(+0x12) [0x55e0]"},
		// Others.
		{"at /bin/app[+0x12]: crash", "at /bin/app[+0x12]</bin/app 0x12 return>: crash"},
		{"pc=(/bin/app+0x12) (BuildId: ab12) x", "pc=(/bin/app+0x12)</bin/app 0x12 ab12> (BuildId: ab12) x"},
		{"at /bin/app+0x12", "at /bin/app+0x12</bin/app 0x12>"},
		{"#3  0x00007f00 n/a (/usr/lib/libx.so.1 + 0x12)", "#3  0x00007f00 n/a (/usr/lib/libx.so.1 + 0x12)</usr/lib/libx.so.1 0x12>"},
		// Android.
		{"    #00 pc 0000000000012345  /system/lib64/libc.so (abort+160) (BuildId: ab12)", "    #00 pc 0000000000012345  /system/lib64/libc.so</system/lib64/libc.so 0x12345 ab12> (abort+160) (BuildId: ab12)"},
		{"  #01 pc 00012345  /system/bin/app", "  #01 pc 00012345  /system/bin/app</system/bin/app 0x12345>"},
		// Go, kernels and what only looks alike.
		{"\t/src/main.go:12 +0x1d", "\t/src/main.go:12 +0x1d"},
		{"do_idle+0x1b/0x20", "do_idle+0x1b/0x20"},
		{"C  [libx.so+0x12]  f+0x12", "C  [libx.so+0x12]  f+0x12"},
		{"/bin/app(+0x)", "/bin/app(+0x)"},
		{"/bin/app(+0x12", "/bin/app(+0x12"},
		{"/bin/app(+0x11223344556677889)", "/bin/app(+0x11223344556677889)"},
		{"a / b + 0x12", "a / b + 0x12"},
		{"/ 0x", "/ 0x"}, {"", ""}, {"/+0x", "/+0x"}, {"() [0x/", "() [0x/"},
	} {
		assert.Equal(t, test.want, marked(test.line))
	}
}

func TestUnplacedIsBounded(t *testing.T) {
	found := strings.Count(marked(strings.Repeat("/a+0x1 ", 1000)), "<")
	assert.Equal(t, 16, found)
	long := "/a+0x1 " + strings.Repeat("x", 1<<15)
	assert.Equal(t, long, marked(long))
}

func FuzzUnplaced(f *testing.F) {
	for _, seed := range []string{
		"    #0 0x55e0 (/bin/app+0x12) (BuildId: AB12)\n", "/bin/app(+0x12) [0x55e0]", "/bin/app() [0x401136]",
		"#00 pc 0000000000012345  /system/lib64/libc.so (abort+160) (BuildId: ab12)", "/a + 0x1) /b[+0x2] ./c+0x3",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, line string) {
		var texts stackline.Strings
		before := 0
		stackline.Unplaced([]byte(line), &texts, func(l stackline.Loose) {
			require.GreaterOrEqual(t, l.Insert, before)
			require.LessOrEqual(t, l.Insert, len(line))
			require.NotEmpty(t, l.Frame.Module)
			before = l.Insert
		})
	})
}
