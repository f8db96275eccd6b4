#include "transport/ws_accept.h"

bool pl_ws_accept_check(struct pl_http *h, const struct pl_http_req *req, const struct pl_ws_hand_opts *opts,
                        struct pl_ws_hand *ret)
{
    const struct pl_ws_refusal_row *row;
    enum pl_ws_refusal why;

    pl_ws_hand_init(ret, opts);
    for (size_t i = 0; i < req->head->n_fields; i++)
        pl_ws_hand_header(ret, req->head->fields[i].name, req->head->fields[i].value);
    why = pl_ws_hand_check(ret, req->method == PL_HTTP_GET, req->head->minor >= 1);
    if (why == PL_WS_HAND_OK)
        return true;
    row = pl_ws_refusal_row(why);
    pl_ws_refuse(h, row->status, row->text, row->header);
    return false;
}

void pl_ws_refuse(struct pl_http *h, unsigned status, const char *text, const char *header)
{
    pl_http_refuse(h, status, "text/plain; charset=utf-8", pl_slice_str(text), header);
}
