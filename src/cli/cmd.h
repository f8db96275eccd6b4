/* cli/cmd.h - the commands; each takes argv from its own word on and returns the exit code. */
#ifndef PL_CLI_CMD_H
#define PL_CLI_CMD_H

int pl_cmd_serve(int argc, char **argv);
int pl_cmd_check_config(int argc, char **argv);
int pl_cmd_check_sizes(int argc, char **argv);
int pl_cmd_config_doc(int argc, char **argv);
int pl_cmd_config_default(int argc, char **argv);
int pl_cmd_bench(int argc, char **argv);
int pl_cmd_pub(int argc, char **argv);
int pl_cmd_sub(int argc, char **argv);
int pl_cmd_token(int argc, char **argv);
int pl_cmd_check_history(int argc, char **argv);
int pl_cmd_echo(int argc, char **argv);

#endif
