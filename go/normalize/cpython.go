package normalize

import (
	"path"
	"strings"

	"github.com/ffikit/ffikit/go/model"
)

// isPythonModule reports libpython, a python executable, or an extension of
// the standard library.
func isPythonModule(module, base string) bool {
	if rest, ok := strings.CutPrefix(base, "libpython"); ok {
		return rest != "" && (rest[0] == '2' || rest[0] == '3' || rest[0] == '.')
	}
	if rest, ok := strings.CutPrefix(base, "python"); ok {
		return strings.Trim(rest, "0123456789.") == "" || isPythonVariant(rest)
	}
	return strings.Contains(module, "/lib-dynload/")
}

// pythonOwner: the import system and what starts scripts are Python code too,
// frozen into the interpreter, which leaves them out of its own tracebacks.
func pythonOwner(f *model.Frame) string {
	for _, module := range []string{"<frozen importlib.", "<frozen zipimport", "<frozen runpy"} {
		if strings.HasPrefix(f.File, module) {
			return ownerCPython
		}
	}
	return ""
}

// isPythonVariant: `3.13t` (free-threaded), `3.11d`, `3.11-dbg`.
func isPythonVariant(rest string) bool {
	rest = strings.TrimLeft(rest, "0123456789.")
	return rest == "t" || rest == "d" || rest == "td" || rest == "-dbg"
}

// cpythonFolders are the top folders of CPython's source.
var cpythonFolders = map[string]bool{
	"Python": true, "Objects": true, "Modules": true, "Include": true, "Parser": true, "Programs": true,
}

// cpythonFiles are the files of the interpreter's core that stacks pass
// through; they are known without the name of the tree above them.
var cpythonFiles = map[string]bool{
	"Python/ceval.c": true, "Python/generated_cases.c.h": true, "Python/pythonrun.c": true, "Python/bltinmodule.c": true,
	"Python/import.c": true, "Python/errors.c": true, "Python/pylifecycle.c": true, "Python/context.c": true, "Python/getargs.c": true,
	"Python/intrinsics.c": true, "Python/specialize.c": true, "Python/bytecodes.c": true, "Python/ceval_macros.h": true,
	"Python/compile.c": true, "Python/modsupport.c": true, "Python/gc.c": true, "Python/pystate.c": true, "Python/thread_pthread.h": true,
	"Objects/call.c": true, "Objects/methodobject.c": true, "Objects/descrobject.c": true, "Objects/classobject.c": true,
	"Objects/funcobject.c": true, "Objects/object.c": true, "Objects/typeobject.c": true, "Objects/abstract.c": true,
	"Objects/bytesobject.c": true, "Objects/bytearrayobject.c": true, "Objects/dictobject.c": true, "Objects/listobject.c": true,
	"Objects/tupleobject.c": true, "Objects/unicodeobject.c": true, "Objects/longobject.c": true, "Objects/floatobject.c": true,
	"Objects/memoryobject.c": true, "Objects/genobject.c": true, "Objects/moduleobject.c": true, "Objects/setobject.c": true,
	"Objects/weakrefobject.c": true, "Objects/iterobject.c": true, "Objects/enumobject.c": true, "Objects/obmalloc.c": true,
	"Objects/frameobject.c": true, "Objects/codeobject.c": true, "Objects/cellobject.c": true, "Objects/exceptions.c": true,
	"Modules/main.c": true, "Modules/gcmodule.c": true, "Modules/getpath.c": true, "Modules/itertoolsmodule.c": true,
	"Modules/_functoolsmodule.c": true, "Modules/_threadmodule.c": true, "Modules/_asynciomodule.c": true, "Modules/_struct.c": true,
	"Modules/_ctypes/_ctypes.c": true, "Modules/_ctypes/callproc.c": true, "Modules/_ctypes/callbacks.c": true, "Modules/_ctypes/cfield.c": true,
	"Programs/python.c": true, "Programs/_freeze_module.c": true,
}

// isCPythonFile knows CPython's own source: below a tree that is named after
// a release (`Python-3.11.7/Objects/call.c`) or `cpython`, one of the core's
// files in any tree, or its installed headers (`include/python3.11/`).
func isCPythonFile(file string) bool {
	if strings.Contains(file, "/include/python3.") && path.Ext(file) == ".h" {
		return true
	}
	folder, tail := cpythonTail(file)
	if tail == "" {
		return false
	}
	if cpythonFiles[tail] || strings.HasPrefix(tail, "Include/internal/pycore_") || strings.HasPrefix(tail, "Include/cpython/") {
		return true
	}
	return hasElement(folder, isCPythonTreeName)
}

// isCPythonTree reports that a file lies in a folder that CPython's tree has,
// which says enough for a frame of the python executable.
func isCPythonTree(file string) bool {
	_, tail := cpythonTail(file)
	return tail != ""
}

// cpythonTail splits a path before its last element that is a top folder of
// CPython's tree.
func cpythonTail(file string) (folder, tail string) {
	for end := len(file); end > 0; {
		slash := strings.LastIndexByte(file[:end], '/')
		if cpythonFolders[file[slash+1:end]] && end < len(file) {
			return file[:slash+1], file[slash+1:]
		}
		if slash < 0 {
			break
		}
		end = slash
	}
	return "", ""
}

func isCPythonTreeName(element string) bool {
	version, ok := strings.CutPrefix(element, "Python-3.")
	if ok {
		return version != "" && version[0] >= '0' && version[0] <= '9'
	}
	return element == "cpython" || strings.HasPrefix(element, "cpython-") || strings.HasPrefix(element, "python3.")
}

// cpythonFamilies are the prefixes of CPython's C API (documented families;
// a name like PyHelper_foo is in none).
var cpythonFamilies = []string{
	"Py_", "PyObject_", "PyEval_", "PyRun_", "PyErr_", "PyDict_", "PyList_", "PyTuple_", "PySet_", "PyUnicode_", "PyBytes_", "PyByteArray_",
	"PyLong_", "PyFloat_", "PyComplex_", "PyBool_", "PyNumber_", "PySequence_", "PyMapping_", "PyIter_", "PyBuffer_", "PyMemoryView_",
	"PyImport_", "PyModule_", "PyType_", "PyMem_", "PyArg_", "PyCFunction_", "PyMethod_", "PyFunction_", "PyCode_", "PyFrame_", "PyGen_",
	"PyThread_", "PyThreadState_", "PyInterpreterState_", "PyGILState_", "PySys_", "PyCapsule_", "PyCell_", "PySlice_", "PyWeakref_",
	"PyOS_", "PyConfig_", "PyStatus_", "PyVectorcall_", "PyContext_", "PyCoro_", "PyDescr_", "PyProperty_", "PyFile_", "PyGC_", "PyTraceBack_",
}

// cpythonStatics are functions without a prefix between the interpreter's
// loop and an extension.
var cpythonStatics = []string{
	"cfunction_vectorcall_", "cfunction_call", "method_vectorcall", "pymain_", "run_mod", "run_eval_code_obj", "pyrun_", "slot_tp_", "slot_nb_",
	"builtin___import__", "builtin_exec", "builtin_eval", "object_vacall", "type_call", "wrapperdescr_", "wrap_", "classmethoddescr_call",
	"vectorcall_method", "function_code_fastcall", "tuplegetter_", "gen_send_ex", "gen_iternext", "subtype_dealloc", "import_find_and_load",
}

// isCPythonName judges a name without file and module. `_Py` followed by a
// capital is reserved by CPython.
func isCPythonName(function string) bool {
	if rest, ok := strings.CutPrefix(function, "_Py"); ok && rest != "" && (rest[0] == '_' || (rest[0] >= 'A' && rest[0] <= 'Z')) {
		return true
	}
	return hasAnyPrefix(function, cpythonFamilies...) || hasAnyPrefix(function, cpythonStatics...)
}
