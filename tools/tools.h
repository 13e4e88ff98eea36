/* tools/tools.h - the subcommands of the pitline command. Each parses its own arguments with argp and returns the exit
 * status: 0 = it did what was asked, 1 = it could not, 2 = the arguments or the configuration are wrong. */
#ifndef PIT_TOOLS_TOOLS_H
#define PIT_TOOLS_TOOLS_H

/* Where a pipeline listens unless it is told otherwise, and where load, halt and resume look for one. */
#define PIT_TOOLS_ADDRESS_DEFAULT "unix:/tmp/pitline-pitline.sock"

int pit_tool_run(int argc, char **argv);
int pit_tool_check(int argc, char **argv);
int pit_tool_replay(int argc, char **argv);
int pit_tool_snapshot(int argc, char **argv);
int pit_tool_journal(int argc, char **argv);
int pit_tool_tail(int argc, char **argv);
int pit_tool_load(int argc, char **argv);
int pit_tool_cluster(int argc, char **argv); /* and 3 = there is no leader */
int pit_tool_halt(int argc, char **argv);
int pit_tool_resume(int argc, char **argv);
int pit_tool_bench(int argc, char **argv);

#endif
