/* Frames of client commands in Protobuf: any input is taken or refused within its bounds, and what is taken can be walked to its end. */
#include "base/check.h"
#include "codec/cproto.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct pl_cproto_ops *codec = &pl_cproto_protobuf;
    struct pl_scratch scratch = pl_scratch_init(4096);
    struct pl_slice rest = pl_slice(data, size), one;

    do {
        struct pl_slice name, value;
        struct pl_subscribe_req sub;
        struct pl_command c;
        struct pl_walk w;
        enum pl_err err;

        if (codec->split(&rest, &one) != PL_OK || codec->command(one, &scratch, &c) != PL_OK)
            break;
        PL_ASSERT(one.p >= data && one.p + one.len <= data + size);
        if (c.kind == PL_CMD_CONNECT) {
            for (w = pl_walk(c.connect.subs); (err = codec->walk_subs(&w, &scratch, &name, &sub)) == PL_OK;)
                ;
            PL_ASSERT(err == PL_ENOENT);
            for (w = pl_walk(c.connect.headers); (err = codec->walk_pairs(&w, &scratch, &name, &value)) == PL_OK;)
                ;
            PL_ASSERT(err == PL_ENOENT);
        }
        (void)pl_command_is_pong(&c);
    } while (rest.len != 0);
    pl_scratch_fini(&scratch);
    return 0;
}
