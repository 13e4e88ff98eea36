/* pitline tail as a process of its own, against a publisher that this test drives. PIT_TAIL is the command. */
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_NS UINT64_C(60000000000) /* a guard against hanging, nothing that is measured */
#define OUTPUT_BYTES (1u << 20)

struct output {
    int fd;
    size_t used;
    size_t read; /* lines before this were taken */
    bool ended;
    char *bytes;
    char seen[4096]; /* the first lines taken, for people */
};

struct child {
    pid_t pid;
    struct output out;
    struct output err;
};

static uint64_t machine_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void start(struct child *child, char *const arguments[])
{
    int out[2], err[2];
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    assert_int_equal(pipe2(err, O_CLOEXEC), 0);
    const char *command = getenv("PIT_TAIL");
    assert_non_null(command);
    fflush(NULL);
    child->pid = fork();
    assert_true(child->pid >= 0);
    if (child->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* a failed test leaves nothing behind */
        dup2(out[1], STDOUT_FILENO);
        dup2(err[1], STDERR_FILENO);
        execv(command, arguments);
        _exit(127);
    }
    close(out[1]);
    close(err[1]);
    child->out = (struct output){.fd = out[0], .bytes = calloc(1, OUTPUT_BYTES)};
    child->err = (struct output){.fd = err[0], .bytes = calloc(1, OUTPUT_BYTES)};
    fcntl(out[0], F_SETFL, O_NONBLOCK);
    fcntl(err[0], F_SETFL, O_NONBLOCK);
}

static void drain(struct output *output)
{
    while (!output->ended && output->used < OUTPUT_BYTES - 1) {
        ssize_t n = read(output->fd, output->bytes + output->used, OUTPUT_BYTES - 1 - output->used);
        if (n < 0)
            return;
        output->ended = n == 0;
        output->used += (size_t)n;
    }
}

/* Lets the publisher live and collects what the child wrote. */
static void live(struct child *child, struct rig *rig)
{
    if (rig) {
        rig->now_ns = machine_ns();
        rig->agent.do_work(rig->agent.state);
    }
    struct pollfd fds[2] = {{child->out.fd, POLLIN, 0}, {child->err.fd, POLLIN, 0}};
    poll(fds, 2, 5);
    drain(&child->out);
    drain(&child->err);
}

/* The next line, without its end, that has text in it; lines before it are skipped. */
static const char *expect_line(struct child *child, struct output *output, struct rig *rig, const char *text)
{
    uint64_t until_ns = machine_ns() + PATIENCE_NS;
    while (machine_ns() < until_ns) {
        char *line = output->bytes + output->read;
        char *end = strchr(line, '\n');
        if (end) {
            *end = 0;
            snprintf(output->seen + strlen(output->seen), sizeof output->seen - strlen(output->seen), "%s\n", line);
            output->read = (size_t)(end + 1 - output->bytes);
            if (strstr(line, text))
                return line;
            continue;
        }
        if (output->ended)
            break;
        live(child, rig);
    }
    fail_msg("no line with \"%s\"; stdout:\n%s\nstderr:\n%s", text, child->out.seen, child->err.seen);
    return NULL;
}

static void expect_exit(struct child *child, struct rig *rig, int status_right)
{
    uint64_t until_ns = machine_ns() + PATIENCE_NS;
    int status = 0;
    pid_t ended = 0;
    while (ended == 0 && machine_ns() < until_ns) {
        live(child, rig);
        ended = waitpid(child->pid, &status, WNOHANG);
    }
    if (ended == 0)
        kill(child->pid, SIGKILL);
    assert_int_equal(ended, child->pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), status_right);
    drain(&child->out);
    close(child->out.fd);
    close(child->err.fd);
    free(child->out.bytes);
    free(child->err.bytes);
}

static struct rig *begin(const struct rig_options *options)
{
    struct rig *rig = rig_begin(options);
    rig->now_ns = machine_ns();
    rig->agent.do_work(rig->agent.state);
    return rig;
}

static void finish(struct rig *rig)
{
    char name[64];
    memcpy(name, rig->name, sizeof name);
    rig_end(rig);
    rig_remove(name);
}

static json_t *expect_json(struct child *child, struct rig *rig, const char *type)
{
    char text[64];
    snprintf(text, sizeof text, "\"type\":\"%s\"", type);
    const char *line = expect_line(child, &child->out, rig, text);
    json_error_t error;
    json_t *object = json_loads(line, JSON_REJECT_DUPLICATES, &error);
    if (!object)
        fail_msg("not JSON: %s: %s", error.text, line);
    return object;
}

static const char *member(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    assert_non_null(text);
    return text;
}

static void tail_waits_for_the_pipeline_and_survives_its_restart(void **state)
{
    (void)state;
    char name[64];
    snprintf(name, sizeof name, "tail-%ld", (long)getpid());
    char *arguments[] = {"tail", name, NULL};
    struct child child;
    start(&child, arguments);
    expect_line(&child, &child.err, NULL, "waiting for a pipeline named");
    struct rig *rig = begin(&(struct rig_options){.name = name});
    expect_line(&child, &child.err, rig, "has started");
    rig_define(rig, 0, "BTCUSD");
    expect_line(&child, &child.out, rig, "BTCUSD"); /* from here on nothing is in a depth that it has still to print */
    uint64_t order = rig_order(rig, 0, PIT_SIDE_BUY, 10050, 25000);
    rig_order(rig, 0, PIT_SIDE_SELL, 10050, 5000);
    const char *line = expect_line(&child, &child.out, rig, " add ");
    char right[128];
    snprintf(right, sizeof right, "BTCUSD     add     buy  2.5000 @ 100.50  order %" PRIu64, order);
    assert_non_null(strstr(line, right));
    line = expect_line(&child, &child.out, rig, " trade ");
    snprintf(right, sizeof right, "BTCUSD     trade   sell 0.5000 @ 100.50  order %" PRIu64 ", 2.0000 left", order);
    assert_non_null(strstr(line, right));
    rig_end(rig);
    expect_line(&child, &child.err, NULL, "has stopped; waiting for it to start again");
    rig = begin(&(struct rig_options){.name = name});
    expect_line(&child, &child.err, rig, "has started");
    rig_define(rig, 0, "ETHUSD");
    expect_line(&child, &child.out, rig, "ETHUSD");
    rig_order(rig, 0, PIT_SIDE_SELL, 2000, 10000);
    line = expect_line(&child, &child.out, rig, " add ");
    assert_non_null(strstr(line, "ETHUSD     add     sell 1.0000 @ 20.00"));
    kill(child.pid, SIGINT);
    expect_exit(&child, rig, 0);
    finish(rig);
}

static void tail_says_that_a_killed_pipeline_is_silent(void **state)
{
    (void)state;
    struct rig *rig = begin(&(struct rig_options){0});
    char name[64];
    memcpy(name, rig->name, sizeof name);
    rig->now_ns = machine_ns() - UINT64_C(10000000000);
    rig->agent.do_work(rig->agent.state);
    rig_kill(rig);
    char *arguments[] = {"tail", name, NULL};
    struct child child;
    start(&child, arguments);
    expect_line(&child, &child.err, NULL, "no sign of life");
    kill(child.pid, SIGTERM);
    expect_exit(&child, NULL, 0);
    rig_remove(name);
}

static void tail_writes_json_and_ends_after_count(void **state)
{
    (void)state;
    struct rig *rig = begin(&(struct rig_options){0});
    rig_define(rig, 0, "A\"B");
    rig_define(rig, 1, "OTHER");
    rig_order(rig, 0, PIT_SIDE_BUY, 10050, 25000);
    rig_settle(rig);
    char *arguments[] = {"tail", rig->name, "--format", "json", "--symbol", "A\"B", "--count", "4", NULL};
    struct child child;
    start(&child, arguments);
    json_t *object = expect_json(&child, rig, "open");
    assert_string_equal(member(object, "name"), rig->name);
    assert_int_equal(json_integer_value(json_object_get(object, "next")), 4);
    json_decref(object);
    object = expect_json(&child, rig, "depth");
    assert_string_equal(member(object, "symbol"), "A\"B");
    assert_int_equal(json_integer_value(json_object_get(object, "sequence")), 3);
    const json_t *level = json_array_get(json_object_get(object, "bids"), 0);
    assert_string_equal(json_string_value(json_array_get(level, 0)), "100.50");
    assert_string_equal(json_string_value(json_array_get(level, 1)), "2.5000");
    assert_int_equal(json_integer_value(json_array_get(level, 2)), 1);
    assert_int_equal(json_array_size(json_object_get(object, "asks")), 0);
    json_decref(object);
    rig_order(rig, 1, PIT_SIDE_BUY, 7, 7); /* not asked for */
    uint64_t seller = rig_order(rig, 0, PIT_SIDE_SELL, 10050, 30000);
    object = expect_json(&child, rig, "trade");
    assert_string_equal(member(object, "side"), "sell");
    assert_string_equal(member(object, "price"), "100.50");
    assert_string_equal(member(object, "quantity"), "2.5000");
    assert_string_equal(member(object, "leaves"), "0.0000");
    assert_string_equal(member(object, "time"), "2023-11-14T22:13:20.000005000Z");
    assert_true(json_is_false(json_object_get(object, "last")));
    json_decref(object);
    object = expect_json(&child, rig, "add");
    assert_int_equal(json_integer_value(json_object_get(object, "order_id")), seller);
    assert_true(json_is_true(json_object_get(object, "last")));
    json_decref(object);
    rig_command(rig, (struct pit_command){
                         .kind = PIT_COMMAND_REDUCE, .account = RIG_ACCOUNT, .order_id = seller, .quantity = 1000});
    object = expect_json(&child, rig, "change");
    assert_string_equal(member(object, "quantity"), "0.4000");
    assert_string_equal(member(object, "quantity_old"), "0.5000");
    json_decref(object);
    rig_command(rig, (struct pit_command){.kind = PIT_COMMAND_STATE, .quantity = PIT_STATE_HALTED});
    object = expect_json(&child, rig, "state");
    assert_string_equal(member(object, "state"), "halted");
    json_decref(object);
    expect_exit(&child, rig, 0);
    finish(rig);
}

static void tail_from_the_start_prints_what_the_ring_still_holds(void **state)
{
    (void)state;
    struct rig *rig = begin(&(struct rig_options){0});
    rig_define(rig, 0, "BTCUSD");
    rig_order(rig, 0, PIT_SIDE_BUY, 10050, 25000);
    rig_settle(rig);
    char *arguments[] = {"tail", rig->name, "--from-start", "--count", "2", NULL};
    struct child child;
    start(&child, arguments);
    expect_line(&child, &child.out, rig, "BTCUSD     symbol  tick 0.01, lot 0.0001");
    expect_line(&child, &child.out, rig, "BTCUSD     add     buy  2.5000 @ 100.50");
    expect_exit(&child, rig, 0);
    finish(rig);
}

static void tail_says_it_was_lapped_and_goes_on_from_the_depth(void **state)
{
    (void)state;
    struct rig *rig = begin(&(struct rig_options){0});
    rig_define(rig, 0, "BTCUSD");
    rig_settle(rig);
    char *arguments[] = {"tail", rig->name, "--format", "json", NULL};
    struct child child;
    start(&child, arguments);
    json_t *object = expect_json(&child, rig, "depth");
    json_decref(object);
    int stopped;
    kill(child.pid, SIGSTOP);
    assert_int_equal(waitpid(child.pid, &stopped, WUNTRACED), child.pid);
    assert_true(WIFSTOPPED(stopped));
    for (int i = 0; i < 10000; i++) {
        uint64_t order = rig_order(rig, 0, PIT_SIDE_BUY, 100, 1);
        if (i < 9999)
            rig_cancel(rig, 0, order);
        if (i % 64 == 0)
            rig_settle(rig);
    }
    rig_settle(rig);
    kill(child.pid, SIGCONT);
    object = expect_json(&child, rig, "lapped");
    json_int_t lost = json_integer_value(json_object_get(object, "lost"));
    assert_true(lost > 19999 - PIT_PUBLISHER_EVENT_SLOTS_MIN && lost <= 19999);
    json_decref(object);
    object = expect_json(&child, rig, "depth");
    assert_int_equal(json_integer_value(json_object_get(object, "sequence")), 20000);
    assert_int_equal(json_array_size(json_object_get(object, "bids")), 1);
    json_decref(object);
    uint64_t order = rig_order(rig, 0, PIT_SIDE_SELL, 200, 1);
    object = expect_json(&child, rig, "add"); /* those before stood in the depth */
    assert_int_equal(json_integer_value(json_object_get(object, "order_id")), order);
    json_decref(object);
    kill(child.pid, SIGINT);
    expect_exit(&child, rig, 0);
    finish(rig);
}

static void tail_draws_the_book(void **state)
{
    (void)state;
    struct rig *rig = begin(&(struct rig_options){0});
    rig_define(rig, 0, "BTCUSD");
    for (int i = 0; i < 5; i++) {
        rig_order(rig, 0, PIT_SIDE_BUY, 1000 - i, 10000);
        rig_order(rig, 0, PIT_SIDE_SELL, 1001 + i, 20000);
    }
    rig_settle(rig);
    char *arguments[] = {"tail", rig->name, "--book", "--levels", "3", "--count", "2", NULL};
    struct child child;
    start(&child, arguments);
    expect_line(&child, &child.out, rig, "BTCUSD  open");
    expect_line(&child, &child.out, rig, "orders");
    expect_line(&child, &child.out, rig, "1           1.0000          10.00 | 10.01          2.0000           1");
    expect_line(&child, &child.out, rig, "9.99 | 10.02");
    expect_line(&child, &child.out, rig, "9.98 | 10.03");
    assert_string_equal(expect_line(&child, &child.out, rig, ""), "");
    rig_order(rig, 0, PIT_SIDE_BUY, 1001, 5000);
    expect_line(&child, &child.out, rig, "1 trades, last 0.5000 @ 10.01");
    expect_line(&child, &child.out, rig, "10.00 | 10.01          1.5000 ");
    expect_exit(&child, rig, 0);
    finish(rig);
}

static void tail_ends_when_nobody_reads_it_any_more(void **state)
{
    (void)state;
    struct rig *rig = begin(&(struct rig_options){0});
    rig_define(rig, 0, "BTCUSD");
    rig_settle(rig);
    char *arguments[] = {"tail", rig->name, NULL};
    struct child child;
    start(&child, arguments);
    expect_line(&child, &child.out, rig, "depth");
    close(child.out.fd);
    child.out.fd = -1;
    child.out.ended = true;
    rig_order(rig, 0, PIT_SIDE_BUY, 100, 1);
    rig_settle(rig);
    expect_exit(&child, rig, 0);
    finish(rig);
}

static void tail_ends_with_a_whole_line_when_a_signal_finds_it_writing(void **state)
{
    (void)state;
    struct rig *rig = begin(&(struct rig_options){0});
    rig_define(rig, 0, "BTCUSD");
    for (int i = 0; i < 3000; i++)
        rig_order(rig, 0, PIT_SIDE_BUY, 100, 1);
    rig_settle(rig);
    char *arguments[] = {"tail", rig->name, "--from-start", "--format", "json", NULL};
    struct child child;
    start(&child, arguments);
    uint64_t until_ns = machine_ns() + PATIENCE_NS;
    int waiting = 0;
    while (waiting < 60000 && machine_ns() < until_ns) { /* until the pipe is all but full */
        assert_int_equal(ioctl(child.out.fd, FIONREAD, &waiting), 0);
        usleep(1000);
    }
    kill(child.pid, SIGTERM);
    while (!child.out.ended && machine_ns() < until_ns)
        live(&child, rig);
    assert_true(child.out.ended && child.out.used > 60000);
    assert_memory_equal(child.out.bytes + child.out.used - 2, "}\n", 2);
    expect_exit(&child, rig, 0);
    finish(rig);
}

static void tail_refuses_wrong_arguments(void **state)
{
    (void)state;
    char *wrong[][5] = {{"tail", "no/slashes", NULL},
                        {"tail", "--levels", "21", NULL},
                        {"tail", "--count", "-1", NULL},
                        {"tail", "--format", "xml", NULL},
                        {"tail", "one", "two", NULL}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct child child;
        start(&child, wrong[i]);
        expect_exit(&child, NULL, 2);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tail_waits_for_the_pipeline_and_survives_its_restart),
        cmocka_unit_test(tail_says_that_a_killed_pipeline_is_silent),
        cmocka_unit_test(tail_writes_json_and_ends_after_count),
        cmocka_unit_test(tail_from_the_start_prints_what_the_ring_still_holds),
        cmocka_unit_test(tail_says_it_was_lapped_and_goes_on_from_the_depth),
        cmocka_unit_test(tail_draws_the_book),
        cmocka_unit_test(tail_ends_when_nobody_reads_it_any_more),
        cmocka_unit_test(tail_ends_with_a_whole_line_when_a_signal_finds_it_writing),
        cmocka_unit_test(tail_refuses_wrong_arguments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
