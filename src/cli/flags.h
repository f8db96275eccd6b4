/* cli/flags.h - "--name value", "--name=value" and positional words of a command, by a table. */
#ifndef PL_CLI_FLAGS_H
#define PL_CLI_FLAGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum pl_flag_kind {
    PL_FLAG_BOOL,   /* bool; takes no value */
    PL_FLAG_TEXT,   /* const char * into argv */
    PL_FLAG_U32,    /* uint32_t within min..max */
    PL_FLAG_SECONDS /* int64_t: "90", "90s", "15m", "2h", "7d"; -1 allowed if min is negative */
};

struct pl_flag {
    const char *name;  /* "--url" */
    char letter;       /* 'u' for -u, 0 none */
    enum pl_flag_kind kind;
    void *at;          /* of the kind's type; holds the default */
    int64_t min, max;
    const char *value; /* shown in the help: "URL" */
    const char *text;
};

/* A command's face. */
struct pl_flag_set {
    const char *usage;  /* "peal pub [flags] CHANNEL DATA" */
    const char *about;  /* a line or more */
    const struct pl_flag *flags;
    size_t n;
};

enum pl_flags_outcome {
    PL_FLAGS_OK,   /* argv[1..*ret_n] are the positional words, moved to the front */
    PL_FLAGS_HELP, /* --help or -h: the help was printed to stdout; exit 0 */
    PL_FLAGS_BAD   /* the fault was told on stderr; exit 2 */
};

/* argv[0] is the command. "--" ends the flags. */
enum pl_flags_outcome pl_flags_parse(const struct pl_flag_set *set, int argc, char **argv, int *ret_n);

/* Exit codes of the commands here. */
enum { PL_EXIT_OK = 0, PL_EXIT_FAILED = 1, PL_EXIT_USAGE = 2 };

#endif
