/* fuzz/replay_main.c - runs a fuzz target without libFuzzer, so that seeds are tested under every compiler and sanitizer.
 *
 *   replay-NAME SEEDS [COUNT [SEED]]
 *
 * Feeds the empty input, each file of the folder SEEDS, then COUNT (default 2000) mutations of them made from SEED
 * (default: $PEAL_SEED, else 1). When the target aborts, the input is left in the file replay-crash-input. */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_SEEDS = 4096, MAX_BYTES = 1 << 20, GROWTH = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv) __attribute__((weak));

struct input {
    uint8_t *p; /* owned */
    size_t len;
};

/* splitmix64: enough to vary inputs, the same on every machine */
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static size_t below(uint64_t *state, size_t n)
{
    return n == 0 ? 0 : (size_t)(next_random(state) % n);
}

/* What the target is fed just now; read by the signal handler of this one-threaded program. */
static struct input now;

static void on_abort(int sig)
{
    int fd = open("replay-crash-input", O_WRONLY | O_CREAT | O_TRUNC, 0644);

    if (fd >= 0 && write(fd, now.p, now.len) == (ssize_t)now.len) {
        static const char text[] = "replay: the input is in ./replay-crash-input\n";
        ssize_t told = write(2, text, sizeof text - 1);

        (void)told; /* nobody is left to tell */
    }
    signal(sig, SIG_DFL);
    raise(sig);
}

/* The target gets a block of exactly this size, so that a sanitizer sees the first byte read beyond it. */
static void feed(const uint8_t *p, size_t len)
{
    uint8_t *exact = malloc(len > 0 ? len : 1);

    if (exact == NULL)
        abort();
    if (len > 0)
        memcpy(exact, p, len);
    now = (struct input){ exact, len };
    LLVMFuzzerTestOneInput(exact, len);
    free(exact);
}

static bool read_file(const char *path, struct input *ret)
{
    struct stat st;
    FILE *f = fopen(path, "rb");
    bool ok = false;

    if (f == NULL)
        return false;
    if (fstat(fileno(f), &st) == 0 && S_ISREG(st.st_mode) && st.st_size <= MAX_BYTES) {
        ret->len = (size_t)st.st_size;
        ret->p = malloc(ret->len > 0 ? ret->len : 1);
        ok = ret->p != NULL && fread(ret->p, 1, ret->len, f) == ret->len;
    }
    fclose(f);
    return ok;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static size_t read_seeds(const char *folder, struct input *seeds)
{
    struct dirent **names;
    size_t n = 0;
    int n_names = scandir(folder, &names, NULL, by_name);

    for (int i = 0; i < n_names; i++) {
        char path[4096];

        snprintf(path, sizeof path, "%s/%s", folder, names[i]->d_name);
        if (n < MAX_SEEDS && names[i]->d_name[0] != '.' && read_file(path, &seeds[n]))
            n++;
        free(names[i]);
    }
    if (n_names >= 0)
        free(names);
    return n;
}

/* A few random edits: flip, set, insert, delete, repeat a piece, splice another seed, cut. Returns the new length. */
static size_t mutate(uint64_t *rng, uint8_t *p, size_t len, size_t cap, const struct input *seeds, size_t n_seeds)
{
    static const uint8_t telling[] = { 0x00, 0x01, 0x7f, 0x80, 0xff, '"', '\\', '{', '}', '[', '\r', '\n', ' ', ':', ',', '0' };
    size_t edits = 1 + below(rng, 6);

    while (edits-- > 0) {
        size_t at = below(rng, len + 1), n = 1 + below(rng, GROWTH / 4);

        switch (below(rng, 7)) {
        case 0:
            if (at < len)
                p[at] ^= (uint8_t)(1u << below(rng, 8));
            break;
        case 1:
            if (at < len)
                p[at] = telling[below(rng, sizeof telling)];
            break;
        case 2:
            if (len < cap) {
                memmove(p + at + 1, p + at, len - at);
                p[at] = below(rng, 2) ? telling[below(rng, sizeof telling)] : (uint8_t)next_random(rng);
                len++;
            }
            break;
        case 3:
            n = n < len - at ? n : len - at;
            memmove(p + at, p + at + n, len - at - n);
            len -= n;
            break;
        case 4: /* repeat what stands here */
            n = n < len - at ? n : len - at;
            if (len + n <= cap) {
                memmove(p + at + n, p + at, len - at);
                len += n;
            }
            break;
        case 5: {
            const struct input *other = &seeds[below(rng, n_seeds)];
            size_t from = below(rng, other->len);

            n = n < other->len - from ? n : other->len - from;
            n = n < len - at ? n : len - at;
            memcpy(p + at, other->p + from, n);
            break;
        }
        default:
            if (below(rng, 4) == 0)
                len = at;
        }
    }
    return len;
}

int main(int argc, char **argv)
{
    static struct input seeds[MAX_SEEDS];
    const char *given = getenv("PEAL_SEED");
    uint64_t seed = argc > 3 ? strtoull(argv[3], NULL, 10) : given != NULL ? strtoull(given, NULL, 10) : 1;
    size_t count = argc > 2 ? strtoul(argv[2], NULL, 10) : 2000, n_seeds;
    uint8_t *work = malloc(MAX_BYTES + GROWTH * 8);
    uint64_t rng = seed;

    if (argc < 2 || work == NULL) {
        fprintf(stderr, "usage: %s SEEDS [COUNT [SEED]]\n", argv[0]);
        return 2;
    }
    signal(SIGABRT, on_abort);
    if (LLVMFuzzerInitialize != NULL)
        LLVMFuzzerInitialize(&argc, &argv);
    n_seeds = read_seeds(argv[1], seeds);
    if (n_seeds == 0) {
        fprintf(stderr, "%s: no seeds in %s\n", argv[0], argv[1]);
        return 2;
    }
    printf("seed %llu, %zu seed files, %zu mutations\n", (unsigned long long)seed, n_seeds, count);
    fflush(stdout);
    feed(NULL, 0);
    for (size_t i = 0; i < n_seeds; i++)
        feed(seeds[i].p, seeds[i].len);
    for (size_t i = 0; i < count; i++) {
        const struct input *from = &seeds[below(&rng, n_seeds)];
        size_t len = from->len;

        memcpy(work, from->p, len);
        len = mutate(&rng, work, len, len + GROWTH * 4, seeds, n_seeds);
        feed(work, len);
    }
    for (size_t i = 0; i < n_seeds; i++)
        free(seeds[i].p);
    free(work);
    return 0;
}
