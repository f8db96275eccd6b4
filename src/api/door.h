/* api/door.h - inside the room: where requests come in and answers go out. */
#ifndef PL_API_DOOR_H
#define PL_API_DOOR_H

#include "api/run.h"

/* The three forms of a request; its text outlives the run's waiting. PL_OK: r->out is the answer. PL_WAIT. */
enum pl_err api_run_single(struct api_run *r, const struct api_method *m, const union api_request *q) PL_MUST_CHECK;
enum pl_err api_run_batch(struct api_run *r, struct pl_slice commands) PL_MUST_CHECK;
enum pl_err api_run_lines(struct api_run *r, struct pl_slice lines) PL_MUST_CHECK;
/* PL_EPROTO unless every line is a command with a method that we know. */
enum pl_err api_lines_check(struct pl_slice body, struct pl_scratch *scratch) PL_MUST_CHECK;

/* Answers a run that had to wait, and ends it. */
void api_door_answer_late(struct api_run *r);

#endif
