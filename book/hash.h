/* book/hash.h - xxHash inside this object, without its streaming states: they would allocate, nothing here uses them,
 * and a book must not even name an allocator. */
#ifndef PIT_BOOK_HASH_H
#define PIT_BOOK_HASH_H

#include <stdlib.h>

#define malloc(bytes) NULL
#define free(block) ((void)(block))
#define XXH_INLINE_ALL
#define XXH_FORCE_MEMORY_ACCESS 0 /* by memcpy: the one way to read a struct as words under strict aliasing */
#include <xxhash.h>
#undef malloc
#undef free

#endif
