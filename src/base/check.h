/* base/check.h - assertions about our own logic, and compile-time faults. Never assert on bytes from outside.
 *
 * PL_ASSERT stays on in release builds and aborts with file, line and expression. PL_DEBUG_ASSERT is for costly checks
 * (debug and sanitizer builds). PL_UNREACHABLE marks what a switch over our own enum cannot reach.
 *
 * PL_SABOTAGE(name) is 0 but in a build made by `./dev sabotage` with -DPL_SABOTAGE_name: a planted fault that a named
 * test must catch (tests/sabotage.txt lists fault, file and test). */
#ifndef PL_BASE_CHECK_H
#define PL_BASE_CHECK_H

_Noreturn void pl_check_failed(const char *file, int line, const char *what);

#define PL_ASSERT(x) ((x) ? (void)0 : pl_check_failed(__FILE__, __LINE__, #x))
#ifdef PL_DEBUG
#define PL_DEBUG_ASSERT(x) PL_ASSERT(x)
#else
#define PL_DEBUG_ASSERT(x) ((void)sizeof(x))
#endif
#define PL_UNREACHABLE() pl_check_failed(__FILE__, __LINE__, "unreachable")

#define PL_LIKELY(x) __builtin_expect(!!(x), 1)
#define PL_UNLIKELY(x) __builtin_expect(!!(x), 0)

/* 1 if the macro PL_SABOTAGE_<name> is defined as 1, else 0, in plain C, so both branches always compile. */
#define PL_SAB_PROBE_1 ,
#define PL_SAB_SECOND(a, b, ...) b
#define PL_SAB_IS(x) PL_SAB_IS_(x)
#define PL_SAB_IS_(x) PL_SAB_IS__(PL_SAB_PROBE_##x)
#define PL_SAB_IS__(junk) PL_SAB_SECOND(junk 1, 0, 0)
#define PL_SABOTAGE(name) PL_SAB_IS(PL_SABOTAGE_##name)

#endif
