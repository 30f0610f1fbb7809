/* Where the interpreter's objects lie: the first two megabytes of them on one huge page.
 *
 * A command makes one or two megabytes of objects. In pages of 4 kB that is a fault for each of 440
 * pages, in all more than half a millisecond; one page of 2 MB is given at a quarter of that. A
 * kernel that has none to give gives small ones. After a fork small ones are copied in any case.
 * What does not fit, as with a large configuration, lies behind it on small pages: a second huge one
 * would be filled by half at most, and a virtual machine may have to fetch it from its host.
 */
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>

#define HUGE_PAGE ((size_t)2 << 20)

static char *memory(size_t size)
{
	void *given = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return given == MAP_FAILED ? NULL : given;
}

/* Return an arena, as CPython calls what it divides into objects, or memory for its map of them. */
static void *new_arena(void *nothing, size_t size)
{
	static char *next, *end;

	(void)nothing;
	if (end == NULL && (next = memory(2 * HUGE_PAGE)) != NULL) {
		end = next + 2 * HUGE_PAGE;
		next = (char *)(((uintptr_t)next + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1));
		madvise(next, HUGE_PAGE, MADV_HUGEPAGE); /* refused: no harm */
	}
	if (size > (size_t)(end - next))
		return memory(size);
	next += size;
	return next - size;
}

static void free_arena(void *nothing, void *arena, size_t size)
{
	(void)nothing;
	munmap(arena, size);
}
