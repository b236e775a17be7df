/*
 * In front of every source file of the module (-include), before any header of the C library: its
 * checked variants of memcpy, snprintf and the like. Only where they work, with optimisation and
 * without a sanitizer, and unless whoever builds has named a level himself.
 */
#ifndef TLX_FORTIFY_H
#define TLX_FORTIFY_H

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define TLX_SANITIZED
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || \
    __has_feature(memory_sanitizer)
#define TLX_SANITIZED
#endif
#endif

#if defined(__OPTIMIZE__) && !defined(_FORTIFY_SOURCE) && !defined(TLX_SANITIZED)
#define _FORTIFY_SOURCE 2
#endif

#endif
