/* An interpreter that begins with half of its start, and a door to the kernel.
 *
 * CPython starts in two phases. The first makes the objects of the language and can import what is
 * built in; the second reads encodings, opens the standard streams and looks for modules in
 * directories, and takes as long again. The short commands need nothing of the second, so it is
 * left until somebody asks for a module that only it can find (pyruntime/packed.py).
 *
 * PyConfig._init_main and _Py_InitializeMain are CPython's "Multi-Phase Initialization Private
 * Provisional API" (its documentation, c-api/init_config). Where an interpreter lacks them this
 * file does not compile, and `make install` puts the script launcher into its place.
 *
 * The module _pyruntime:
 *     call(number, …)     a system call: integers, None (0), text and bytes-like as pointers
 *     address(bytes)      where the bytes lie
 *     finish()            do the second phase
 *     spawn(clone_args, program, argv, envp, kept)   clone3 and execveat, see spawn.h
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <marshal.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "arena.h"

#ifndef TREE
#error "TREE: the directory of the installed package; STDLIB, DYNLOAD, EXECUTABLE, PREFIX, MAGIC"
#endif

#define CODE TREE "/pyruntime.code"
#define MOST_ARGUMENTS 6

static char finished;

/* Turn an argument into a word; `held` keeps alive what the word points to. */
static int word(PyObject *argument, long *out, PyObject **held)
{
	*held = NULL;
	if (PyLong_Check(argument)) {
		int overflow;
		*out = PyLong_AsLongAndOverflow(argument, &overflow);
		if (overflow > 0)
			*out = (long)PyLong_AsUnsignedLong(argument);
		else if (overflow < 0)
			PyErr_SetString(PyExc_OverflowError, "less than a word holds");
		return PyErr_Occurred() ? -1 : 0;
	}
	if (argument == Py_None) {
		*out = 0;
		return 0;
	}
	if (PyBytes_Check(argument)) {
		*out = (long)PyBytes_AS_STRING(argument);
		return 0;
	}
	if (PyByteArray_Check(argument)) {
		*out = (long)PyByteArray_AS_STRING(argument);
		return 0;
	}
	if (!PyUnicode_Check(argument)) {
		PyErr_SetString(PyExc_TypeError, "no form for the kernel");
		return -1;
	}
	*held = PyUnicode_AsEncodedString(argument, "utf-8", "surrogateescape");
	if (*held == NULL)
		return -1;
	if (memchr(PyBytes_AS_STRING(*held), 0, (size_t)PyBytes_GET_SIZE(*held)) != NULL) {
		errno = EINVAL;
		PyErr_SetFromErrno(PyExc_OSError);
		return -1;
	}
	*out = (long)PyBytes_AS_STRING(*held);
	return 0;
}

static PyObject *call(PyObject *self, PyObject *const *given, Py_ssize_t count)
{
	long words[1 + MOST_ARGUMENTS] = {0};
	PyObject *held[1 + MOST_ARGUMENTS] = {0};
	PyObject *answer = NULL;
	Py_ssize_t each;

	(void)self;
	if (count < 1 || count > 1 + MOST_ARGUMENTS) {
		PyErr_SetString(PyExc_TypeError, "a number and at most six arguments");
		return NULL;
	}
	for (each = 0; each < count; each++)
		if (word(given[each], &words[each], &held[each]) < 0)
			break;
	if (each == count) {
		/* The lock is kept: this process has one thread while anything hot runs. */
		long result = syscall(words[0], words[1], words[2], words[3], words[4], words[5], words[6]);
		answer = result == -1 ? PyErr_SetFromErrno(PyExc_OSError) : PyLong_FromLong(result);
	}
	for (each = 0; each < count; each++)
		Py_XDECREF(held[each]);
	return answer;
}

static PyObject *address(PyObject *self, PyObject *memory)
{
	long where;
	PyObject *held;

	(void)self;
	if (!PyBytes_Check(memory) && !PyByteArray_Check(memory)) {
		PyErr_SetString(PyExc_TypeError, "bytes or bytearray");
		return NULL;
	}
	word(memory, &where, &held);
	return PyLong_FromLong(where);
}

/* CPython 3.11's start interns the texts of all modules that are frozen into it: a million
 * instructions, on 200 pages that nothing else touches. That waits for the second phase, the first
 * to use most of these modules; till then equal texts may not be identical, which costs those that
 * look names up a comparison, no more. The linker puts this into the place of CPython's own (--wrap)
 * where libpython is linked in whole and has it. It is called before the first types are made, so it
 * can also prevent the collections of garbage that they would start.
 */
int __real__Py_Deepfreeze_Init(void) __attribute__((weak));
int __wrap__Py_Deepfreeze_Init(void);

int __wrap__Py_Deepfreeze_Init(void)
{
	PyGC_Disable();
	return 0;
}

static PyObject *finish(PyObject *self, PyObject *nothing)
{
	(void)self, (void)nothing;
	if (!finished) {
		finished = 1;
		if (__real__Py_Deepfreeze_Init != NULL && __real__Py_Deepfreeze_Init() < 0)
			return PyErr_NoMemory();
		PyStatus status = _Py_InitializeMain();
		if (PyStatus_Exception(status)) {
			PyErr_SetString(PyExc_RuntimeError, status.err_msg ? status.err_msg : "no interpreter");
			return NULL;
		}
	}
	Py_RETURN_NONE;
}

#include "spawn.h"

static PyMethodDef functions[] = {
	{"call", (PyCFunction)(void (*)(void))call, METH_FASTCALL, NULL},
	{"address", address, METH_O, NULL},
	{"finish", finish, METH_NOARGS, NULL},
	{"spawn", spawn, METH_VARARGS, NULL},
	{0},
};

static struct PyModuleDef definition = {
	PyModuleDef_HEAD_INIT, .m_name = "_pyruntime", .m_size = -1, .m_methods = functions,
};

static PyObject *create_module(void)
{
	return PyModule_Create(&definition);
}

static int first_phase(int argc, char **argv)
{
	PyPreConfig early;
	PyConfig config;
	PyStatus status;

	PyPreConfig_InitIsolatedConfig(&early);
	early.utf8_mode = 1;
	status = Py_PreInitialize(&early);
	if (PyStatus_Exception(status) || PyImport_AppendInittab("_pyruntime", create_module) < 0)
		return -1;
	PyConfig_InitIsolatedConfig(&config);
	config._init_main = 0;
	config.site_import = 0;
	config.write_bytecode = 0;
	config.install_signal_handlers = 1; /* in the second phase */
	config.pathconfig_warnings = 0;
	config.module_search_paths_set = 1;
	const struct { wchar_t **field; const wchar_t *value; } texts[] = {
		{&config.program_name, L"" EXECUTABLE}, {&config.executable, L"" EXECUTABLE},
		{&config.base_executable, L"" EXECUTABLE}, {&config.prefix, L"" PREFIX},
		{&config.base_prefix, L"" PREFIX}, {&config.exec_prefix, L"" PREFIX},
		{&config.base_exec_prefix, L"" PREFIX},
	};
	const wchar_t *const paths[] = {L"" DYNLOAD, L"" STDLIB, L"" TREE};
	status = PyConfig_SetBytesArgv(&config, argc, argv);
	for (size_t each = 0; each < sizeof texts / sizeof *texts && !PyStatus_Exception(status); each++)
		status = PyConfig_SetString(&config, texts[each].field, texts[each].value);
	for (size_t each = 0; each < sizeof paths / sizeof *paths && !PyStatus_Exception(status); each++)
		status = PyWideStringList_Append(&config.module_search_paths, paths[each]);
	if (!PyStatus_Exception(status))
		status = Py_InitializeFromConfig(&config);
	PyConfig_Clear(&config);
	return PyStatus_Exception(status) ? -1 : 0;
}

/* What the second phase would do, as far as the commands rely on it. */
static int arguments(int argc, char **argv)
{
	PyObject *list = PyList_New(argc);

	for (int each = 0; list != NULL && each < argc; each++) {
		PyObject *text = PyUnicode_DecodeUTF8(argv[each], (Py_ssize_t)strlen(argv[each]),
						      "surrogateescape");
		if (text == NULL)
			return -1;
		PyList_SET_ITEM(list, each, text);
	}
	if (list == NULL || PySys_SetObject("argv", list) < 0)
		return -1;
	Py_DECREF(list);
	return 0;
}

/* Map the one file, if it is of this interpreter's form. */
static const char *code(size_t *size)
{
	int file = open(CODE, O_RDONLY | O_CLOEXEC);
	struct stat known;
	const char *content = MAP_FAILED;

	if (file < 0)
		return NULL;
	if (fstat(file, &known) == 0 && known.st_size > 8) {
		*size = (size_t)known.st_size;
		content = mmap(NULL, *size, PROT_READ, MAP_PRIVATE, file, 0);
	}
	close(file);
	if (content == MAP_FAILED)
		return NULL;
	return memcmp(content, MAGIC, 4) == 0 ? content : NULL;
}

/* Run the head of the file, pyruntime/packed.py, which loads the command's modules and calls it. */
static void run(const char *content, size_t size)
{
	unsigned int head = (unsigned char)content[4] | (unsigned int)(unsigned char)content[5] << 8
			    | (unsigned int)(unsigned char)content[6] << 16
			    | (unsigned int)(unsigned char)content[7] << 24;
	PyObject *first = PyMarshal_ReadObjectFromString(content + 8, head); /* (code, table) */
	PyObject *rest = PyMemoryView_FromMemory((char *)content + 8 + head,
						 (Py_ssize_t)(size - 8 - head), PyBUF_READ);
	PyObject *scope = Py_BuildValue("{s:s,s:O}", "__name__", "pyruntime.packed", "__builtins__",
					PyEval_GetBuiltins());
	PyObject *serve = NULL, *command = NULL;

	if (first != NULL && rest != NULL && scope != NULL
	    && PyEval_EvalCode(PyTuple_GET_ITEM(first, 0), scope, scope) != NULL)
		serve = PyDict_GetItemString(scope, "serve_mapped");
	if (serve != NULL
	    && PyObject_CallFunctionObjArgs(serve, rest, PyTuple_GET_ITEM(first, 1), NULL) != NULL)
		command = PyImport_ImportModule("pyruntime.main");
	if (command != NULL)
		PyObject_CallMethod(command, "launched", NULL);
	PyObject *kind, *error, *trace;
	PyErr_Fetch(&kind, &error, &trace); /* it never comes here but with an error */
	finish(NULL, NULL);		    /* to be told on standard error, which the second phase opens */
	PyErr_Restore(kind, error, trace);
	PyErr_Print();
	_exit(1);
}

/* Never returns once anything of the command may have run. */
__attribute__((visibility("default"))) int start(int argc, char **argv)
{
	size_t size;
	const char *content = Py_Version >> 16 == PY_VERSION_HEX >> 16 ? code(&size) : NULL;

	/* The standard library goes with an upgrade of Python, though the program may stay. */
	if (content == NULL || access(STDLIB "/encodings/__init__.py", R_OK) < 0)
		return -1;
	PyObjectArenaAllocator arenas = {.alloc = new_arena, .free = free_arena};
	PyObject_SetArenaAllocator(&arenas);
	if (first_phase(argc, argv) < 0 || arguments(argc, argv) < 0)
		return -1;
	PyGC_Disable(); /* what a command loads stays, and to look at it would touch every page */
	signal(SIGPIPE, SIG_IGN); /* as Python does: a write is to fail, not to kill */
	signal(SIGXFSZ, SIG_IGN);
	run(content, size);
	return -1;
}
