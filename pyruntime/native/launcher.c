/* The program that engines call: starts the interpreter in this process, or else by its script.
 *
 * Where the interpreter can be linked in whole (INTERPRETER_INSIDE) it is: a shared one costs a
 * sixth more for every instruction of it. Elsewhere interpreter.so brings it, which is linked with
 * libpython. When an upgrade has taken that away, or when anything of it cannot be used, the script
 * in TREE does the same work with whatever /usr/bin/python3 there is, only slower.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef TREE
#error "TREE: the directory of the installed package"
#endif

#ifdef INTERPRETER_INSIDE
int start(int argc, char **argv);
#else
static int start(int argc, char **argv)
{
	/* Global: the standard library's extensions look for the interpreter's names there. */
	void *interpreter = dlopen(TREE "/interpreter.so", RTLD_LAZY | RTLD_GLOBAL);
	int (*begin)(int, char **) = NULL;

	if (interpreter != NULL)
		*(void **)&begin = dlsym(interpreter, "start");
	return begin == NULL ? -1 : begin(argc, argv);
}
#endif

static void by_script(int argc, char **argv)
{
	static char script[] = TREE "/launcher";
	char **words = calloc((size_t)argc + 2, sizeof *words);

	if (words == NULL)
		return;
	words[0] = script;
	for (int each = 1; each < argc; each++)
		words[each] = argv[each];
	execv(script, words);
}

int main(int argc, char **argv)
{
	start(argc, argv); /* returns only when it could not begin */
	by_script(argc, argv);
	static const char words[] = "pyruntime: execute " TREE "/launcher: ";
	const char *why = strerror(errno);
	if (write(2, words, sizeof words - 1) < 0 || write(2, why, strlen(why)) < 0
	    || write(2, "\n", 1) < 0)
		return 126;
	return 127;
}
