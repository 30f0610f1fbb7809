/* Where the interpreter's objects lie: on huge pages, as far as the kernel has some.
 *
 * A command fills one or two megabytes with objects. Given out in pages of 4 kB these cost a fault
 * each, in all more than half a millisecond; as one page of 2 MB they cost 50 µs. A kernel without
 * huge pages gives small ones, and after a fork it copies small ones in any case.
 */
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>

#define HUGE_PAGE ((size_t)2 << 20)

/* Return an arena, as CPython calls what it divides into objects: half of a huge page. */
static void *new_arena(void *nothing, size_t size)
{
	static char *next, *end;

	(void)nothing;
	if (next == NULL || size > (size_t)(end - next)) {
		/* Aligned to a huge page there is one in here; what is left beside it is never touched. */
		size_t enough = (size + 2 * HUGE_PAGE - 1) & ~(HUGE_PAGE - 1);
		char *block = mmap(NULL, enough, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (block == MAP_FAILED)
			return NULL;
		end = block + enough;
		next = (char *)(((uintptr_t)block + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1));
		madvise(next, (size_t)(end - next) & ~(HUGE_PAGE - 1), MADV_HUGEPAGE); /* refused: no harm */
	}
	void *arena = next;
	next += size;
	return arena;
}

static void free_arena(void *nothing, void *arena, size_t size)
{
	(void)nothing;
	munmap(arena, size);
}
