/* Prints where this interpreter's own headers put what ffikit-unwind reads, one
   "name offset" a line: what its tables are compared with. Only compiled against
   the headers and run; never linked with the interpreter. The "offsets." lines are
   what the row of a new version in src/python/layout.rs is written from. */
#define Py_BUILD_CORE 1
// clang-format off: Python.h comes first
#include <Python.h>
// clang-format on
#include <internal/pycore_frame.h>
#include <internal/pycore_interp.h>
#include <internal/pycore_runtime.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#if PY_VERSION_HEX >= 0x030e0000
#include <internal/pycore_interpframe.h>
#endif

#define SHOW(name, type, member) printf("%s %zu\n", name, offsetof(type, member))

/* The bits of a unicode object's state, found by setting each alone. */
#define SHOW_BITS(name, member, all_ones)                                                                              \
  do {                                                                                                                 \
    PyASCIIObject object;                                                                                              \
    unsigned word;                                                                                                     \
    memset(&object, 0, sizeof object);                                                                                 \
    object.state.member = all_ones;                                                                                    \
    memcpy(&word, &object.state, sizeof word);                                                                         \
    printf("%s %u\n", name, word);                                                                                     \
  } while (0)

int main(void) {
  typedef struct _PyInterpreterFrame Frame;
  printf("version %u\n", (unsigned)PY_VERSION_HEX);
  SHOW("runtime.interpreters_head", struct pyruntimestate, interpreters.head);
  SHOW("interpreter.next", PyInterpreterState, next);
  SHOW("interpreter.threads_head", PyInterpreterState, threads.head);
  SHOW("thread.next", PyThreadState, next);
  SHOW("thread.interpreter", PyThreadState, interp);
  SHOW("thread.thread_id", PyThreadState, thread_id);
  SHOW("thread.native_thread_id", PyThreadState, native_thread_id);
#if PY_VERSION_HEX < 0x030d0000
  SHOW("thread.current", PyThreadState, cframe);
  SHOW("cframe.current_frame", struct _PyCFrame, current_frame);
  SHOW("cframe.previous", struct _PyCFrame, previous);
#else
  SHOW("thread.current", PyThreadState, current_frame);
#endif
#if PY_VERSION_HEX < 0x030d0000
  SHOW("frame.code", Frame, f_code);
  SHOW("frame.instruction", Frame, prev_instr);
#else
  SHOW("frame.code", Frame, f_executable);
  SHOW("frame.instruction", Frame, instr_ptr);
#endif
  SHOW("frame.previous", Frame, previous);
  SHOW("frame.owner", Frame, owner);
#if PY_VERSION_HEX < 0x030c0000
  SHOW("frame.is_entry", Frame, is_entry);
#endif
  SHOW("code.first_line", PyCodeObject, co_firstlineno);
  SHOW("code.file", PyCodeObject, co_filename);
  SHOW("code.qualname", PyCodeObject, co_qualname);
  SHOW("code.line_table", PyCodeObject, co_linetable);
  SHOW("code.first_traceable", PyCodeObject, _co_firsttraceable);
  SHOW("code.instructions", PyCodeObject, co_code_adaptive);
#if PY_VERSION_HEX >= 0x030c0000
  SHOW("code.version", PyCodeObject, co_version);
#endif
  SHOW("object.references", PyObject, ob_refcnt);
  SHOW("object.type", PyObject, ob_type);
  SHOW("object.size", PyVarObject, ob_size);
  SHOW("type.name", PyTypeObject, tp_name);
  SHOW("type.basic_size", PyTypeObject, tp_basicsize);
  SHOW("bytes.data", PyBytesObject, ob_sval);
  SHOW("text.length", PyASCIIObject, length);
  SHOW("text.state", PyASCIIObject, state);
  printf("text.ascii_data %zu\n", sizeof(PyASCIIObject));
  printf("text.data %zu\n", sizeof(PyCompactUnicodeObject));
  printf("owner.generator %d\n", FRAME_OWNED_BY_GENERATOR);
#if PY_VERSION_HEX >= 0x030e0000
  printf("owner.stack %d\n", FRAME_OWNED_BY_INTERPRETER);
#elif PY_VERSION_HEX >= 0x030c0000
  printf("owner.stack %d\n", FRAME_OWNED_BY_CSTACK);
#endif
  SHOW_BITS("text.state_kind", kind, 7);
  SHOW_BITS("text.state_compact", compact, 1);
  SHOW_BITS("text.state_ascii", ascii, 1);
#if PY_VERSION_HEX >= 0x030d0000
  SHOW("offsets.runtime_state.interpreters_head", _Py_DebugOffsets, runtime_state.interpreters_head);
  SHOW("offsets.interpreter_state.next", _Py_DebugOffsets, interpreter_state.next);
  SHOW("offsets.interpreter_state.threads_head", _Py_DebugOffsets, interpreter_state.threads_head);
  SHOW("offsets.thread_state.next", _Py_DebugOffsets, thread_state.next);
  SHOW("offsets.thread_state.interp", _Py_DebugOffsets, thread_state.interp);
  SHOW("offsets.thread_state.current_frame", _Py_DebugOffsets, thread_state.current_frame);
  SHOW("offsets.thread_state.thread_id", _Py_DebugOffsets, thread_state.thread_id);
  SHOW("offsets.thread_state.native_thread_id", _Py_DebugOffsets, thread_state.native_thread_id);
  SHOW("offsets.interpreter_frame.previous", _Py_DebugOffsets, interpreter_frame.previous);
  SHOW("offsets.interpreter_frame.executable", _Py_DebugOffsets, interpreter_frame.executable);
  SHOW("offsets.interpreter_frame.instr_ptr", _Py_DebugOffsets, interpreter_frame.instr_ptr);
  SHOW("offsets.interpreter_frame.owner", _Py_DebugOffsets, interpreter_frame.owner);
  SHOW("offsets.code_object.size", _Py_DebugOffsets, code_object.size);
  SHOW("offsets.code_object.filename", _Py_DebugOffsets, code_object.filename);
  SHOW("offsets.code_object.qualname", _Py_DebugOffsets, code_object.qualname);
  SHOW("offsets.code_object.linetable", _Py_DebugOffsets, code_object.linetable);
  SHOW("offsets.code_object.firstlineno", _Py_DebugOffsets, code_object.firstlineno);
  SHOW("offsets.code_object.co_code_adaptive", _Py_DebugOffsets, code_object.co_code_adaptive);
  SHOW("offsets.unicode_object.state", _Py_DebugOffsets, unicode_object.state);
  SHOW("offsets.unicode_object.length", _Py_DebugOffsets, unicode_object.length);
  SHOW("offsets.unicode_object.asciiobject_size", _Py_DebugOffsets, unicode_object.asciiobject_size);
  SHOW("offsets.bytes_object.ob_size", _Py_DebugOffsets, bytes_object.ob_size);
  SHOW("offsets.bytes_object.ob_sval", _Py_DebugOffsets, bytes_object.ob_sval);
#endif
  return 0;
}
