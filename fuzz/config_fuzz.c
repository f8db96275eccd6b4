/* Any bytes as a configuration file: refused with a report, or loaded and then usable. The first byte splits off a part that is
 * taken as an environment variable and a flag. */
#include "base/check.h"
#include "config/channel.h"
#include "config/load.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pl_config_report report = { NULL };
    struct pl_config_input in = { .file = "fuzz.json" };
    struct pl_config *cfg = NULL;
    const char *env[2] = { NULL, NULL }, *args[1];
    size_t extra = size == 0 ? 0 : data[0] % 128 % size;
    char *word = calloc(1, extra + 1);
    enum pl_err err;

    if (word == NULL || size == 0) {
        free(word);
        return 0;
    }
    memcpy(word, data + 1, extra);
    if (extra != 0 && data[0] >= 128) {
        env[0] = word;
        in.env = env;
    } else if (extra != 0) {
        args[0] = word;
        in.args = args;
        in.n_args = 1;
    }
    in.text = pl_slice(data + 1 + extra, size - 1 - extra);
    err = pl_config_load(&in, &cfg, &report);
    PL_ASSERT((err == PL_OK) == (cfg != NULL));
    PL_ASSERT((err == PL_EINVAL) == (report.n_errors != 0));
    for (size_t i = 0; i < report.n; i++)
        for (const char *c = report.v[i].text; *c != 0; c++)
            PL_ASSERT((unsigned char)*c >= 0x20); /* one line, nothing that moves a terminal */
    if (cfg != NULL) {
        struct pl_channel_ref ref;

        PL_ASSERT(cfg->http_server.port >= 0 && cfg->http_server.port <= 65535);
        PL_ASSERT(cfg->websocket.at.handler_prefix[0] == '/');
        if (pl_channel_resolve(cfg, pl_slice(data, size), &ref) == PL_OK)
            (void)pl_channel_name_ok(&ref, pl_slice(data, size));
    }
    pl_config_free(&cfg);
    pl_config_report_fini(&report);
    free(word);
    return 0;
}
