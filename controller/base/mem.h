/*
 * Allocation that ends the process when memory is out (state lives in the
 * cluster, a restart is the recovery), and autofree for locals. Callers cap
 * every input before they allocate for it.
 */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stdarg.h>
#include <stddef.h>

void *xmalloc(size_t size) __attribute__((malloc, returns_nonnull));
void *xcalloc(size_t count, size_t size) __attribute__((malloc, returns_nonnull));
/* Array growth: checks count * size for overflow. */
void *xreallocarray(void *ptr, size_t count, size_t size) __attribute__((returns_nonnull));
char *xstrdup(const char *s) __attribute__((malloc, returns_nonnull));
char *xstrndup(const char *s, size_t len) __attribute__((malloc, returns_nonnull));
char *xasprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2), returns_nonnull));
char *xvasprintf(const char *fmt, va_list ap) __attribute__((format(printf, 1, 0)));

#define xnew(type) ((type *)xcalloc(1, sizeof(type)))

/* Overwrites before freeing; for secrets. NULL is fine. */
void mem_free_secret(char *s);

void mem_auto_free(void *ptr_to_ptr);
#define auto_free __attribute__((cleanup(mem_auto_free)))

/* Hands a local over: yields its value and sets it to NULL. */
#define take_ptr(ptr)                                 \
	({                                            \
		__typeof__(ptr) take_ptr_tmp = (ptr); \
		(ptr) = NULL;                         \
		take_ptr_tmp;                         \
	})

#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))
#define array_size(a) (sizeof(a) / sizeof((a)[0]))

#endif
