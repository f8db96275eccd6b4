/* cli/main.c - the table of commands: finds the row, hands over the words behind it, does nothing else. */
#include <stdio.h>
#include <string.h>

#include "cli/cmd.h"
#include "cli/flags.h"
#include "config/suggest.h"

static int cmd_version(int argc, char **argv);
static int cmd_help(int argc, char **argv);

static const struct command {
    const char *name; /* one word, or two */
    int (*run)(int argc, char **argv);
    const char *text;
} commands[] = {
    { "serve", pl_cmd_serve, "run the server" },
    { "pub", pl_cmd_pub, "publish to a channel" },
    { "sub", pl_cmd_sub, "subscribe to channels and print what comes" },
    { "token", pl_cmd_token, "make a token for a client" },
    { "check config", pl_cmd_check_config, "is this configuration file right?" },
    { "check history", pl_cmd_check_history, "did the run behind these logs lose, double or reorder anything?" },
    { "check --sizes", pl_cmd_check_sizes, "what one connection costs in memory" },
    { "config doc", pl_cmd_config_doc, "print the reference of all options (Markdown)" },
    { "config default", pl_cmd_config_default, "print a configuration file with every option and its default" },
    { "bench", pl_cmd_bench, "load a server and measure it" },
    { "echo", pl_cmd_echo, "a WebSocket endpoint that sends everything back" },
    { "version", cmd_version, "print the version" },
    { "help", cmd_help, "this page; help COMMAND tells more" },
};
enum { N_COMMANDS = sizeof commands / sizeof commands[0] };

static void print_help(FILE *out)
{
    fprintf(out, "peal " PEAL_VERSION " - a real-time messaging server: backends publish, clients that are connected get it at once\n\n"
                 "usage: peal COMMAND [flags]     peal [flags] is peal serve [flags]\n\n");
    for (size_t i = 0; i < N_COMMANDS; i++)
        fprintf(out, "  %-15s %s\n", commands[i].name, commands[i].text);
    fprintf(out, "\nThree minutes with it:\n"
                 "  peal serve --http_api.key=secret --client.insecure --health.enabled\n"
                 "  curl http://127.0.0.1:8000/api/publish -H 'X-API-Key: secret' -d '{\"channel\":\"news\",\"data\":{\"text\":\"hello\"}}'\n\n"
                 "Every option is a flag (--http_server.port=9000), a variable (PEAL_HTTP_SERVER_PORT=9000) and a key of the configuration file;\n"
                 "the keys are those of Centrifugo v6. peal config doc lists them.\n");
}

static int cmd_version(int argc, char **argv)
{
    (void)argv;
    if (argc > 1) {
        fprintf(stderr, "peal version: takes no arguments\n");
        return PL_EXIT_USAGE;
    }
    printf("peal " PEAL_VERSION "\n");
    return PL_EXIT_OK;
}

/* Words of the command's name that argv begins with: 1 or 2, 0 if it is not this command. */
static int matches(const struct command *c, int argc, char **argv)
{
    const char *space = strchr(c->name, ' ');
    size_t n = space != NULL ? (size_t)(space - c->name) : strlen(c->name);

    if (argc < 1 || strlen(argv[0]) != n || memcmp(argv[0], c->name, n) != 0)
        return 0;
    if (space == NULL)
        return 1;
    return argc >= 2 && strcmp(argv[1], space + 1) == 0 ? 2 : 0;
}

/* Tells what could have been meant by these words. */
static int refuse(int argc, char **argv)
{
    const struct command *near = NULL;
    char given[200];
    unsigned best = 3;
    bool is_half = false; /* "check" alone */

    snprintf(given, sizeof given, "%s%s%s", argv[0], argc > 1 ? " " : "", argc > 1 ? argv[1] : "");
    for (size_t i = 0; i < N_COMMANDS; i++) {
        const char *space = strchr(commands[i].name, ' ');
        size_t n = space != NULL ? (size_t)(space - commands[i].name) : 0;
        unsigned d = pl_edit_distance(space != NULL ? given : argv[0], commands[i].name, best);

        if (n != 0 && strlen(argv[0]) == n && memcmp(argv[0], commands[i].name, n) == 0)
            is_half = true;
        if (d < best) {
            best = d;
            near = &commands[i];
        }
    }
    if (near != NULL) {
        fprintf(stderr, "peal: no command %s; did you mean peal %s? See peal help\n", strchr(near->name, ' ') != NULL ? given : argv[0], near->name);
    } else if (is_half) {
        fprintf(stderr, "peal: %s what? One of:", argv[0]);
        for (size_t i = 0; i < N_COMMANDS; i++)
            if (strncmp(commands[i].name, argv[0], strlen(argv[0])) == 0 && commands[i].name[strlen(argv[0])] == ' ')
                fprintf(stderr, " peal %s;", commands[i].name);
        fprintf(stderr, " see peal help\n");
    } else {
        fprintf(stderr, "peal: no command %s; see peal help\n", argv[0]);
    }
    return PL_EXIT_USAGE;
}

static int cmd_help(int argc, char **argv)
{
    static char flag[] = "--help";

    if (argc == 1) {
        print_help(stdout);
        return PL_EXIT_OK;
    }
    for (size_t i = 0; i < N_COMMANDS; i++)
        if (matches(&commands[i], argc - 1, argv + 1) != 0 && commands[i].run != cmd_help && commands[i].run != cmd_version) {
            char *words[] = { argv[argc - 1], flag, NULL };

            return commands[i].run(2, words);
        }
    return refuse(argc - 1, argv + 1);
}

int main(int argc, char **argv)
{
    if (argc == 1) {
        print_help(stderr);
        return PL_EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        print_help(stdout);
        return PL_EXIT_OK;
    }
    if (strcmp(argv[1], "--version") == 0) {
        char *words[] = { argv[1], NULL };

        return cmd_version(1, words);
    }
    if (argv[1][0] == '-') /* as Centrifugo: peal --config config.json */
        return pl_cmd_serve(argc, argv);
    for (size_t i = 0; i < N_COMMANDS; i++) {
        int n = matches(&commands[i], argc - 1, argv + 1);

        if (n != 0)
            return commands[i].run(argc - n, argv + n);
    }
    return refuse(argc - 1, argv + 1);
}
