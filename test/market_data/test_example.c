/* The reader in Python that docs/market-data.md shows, run as it stands there. */
#include "support.h"

#include <sys/wait.h>
#include <unistd.h>

/* Writes the page's example to path. */
static void extract(const char *path)
{
    char page[4096], line[4096];
    snprintf(page, sizeof page, "%s/docs/market-data.md", getenv("PIT_ROOT"));
    FILE *from = fopen(page, "r");
    FILE *to = fopen(path, "w");
    assert_non_null(from);
    assert_non_null(to);
    bool in_example = false;
    while (fgets(line, sizeof line, from)) {
        if (strcmp(line, "```python\n") == 0)
            in_example = true;
        else if (strncmp(line, "```", 3) == 0)
            in_example = false;
        else if (in_example)
            fputs(line, to);
    }
    fclose(from);
    fclose(to);
}

static void the_python_example_reads_books_and_events(void **state)
{
    (void)state;
    if (system("python3 -c 'import mmap' >/dev/null 2>&1") != 0) {
        print_message("# there is no python3: not run\n");
        skip();
    }
    struct rig *rig = rig_begin(&(struct rig_options){0});
    char command[256], output[8192] = "", path[] = "/tmp/pitline-example-XXXXXX";
    close(mkstemp(path));
    extract(path);
    rig_define(rig, 0, "BTCUSD");
    rig_define(rig, 1, "ETHUSD");
    rig_order(rig, 0, PIT_SIDE_BUY, 100, 5);
    rig_order(rig, 0, PIT_SIDE_BUY, 99, 7);
    uint64_t seller = rig_order(rig, 0, PIT_SIDE_SELL, 100, 9);
    rig_order(rig, 1, PIT_SIDE_SELL, 50, 2);
    rig_settle(rig);
    snprintf(command, sizeof command, "python3 %s %s 2>&1", path, rig->name);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    size_t used = fread(output, 1, sizeof output - 1, pipe);
    output[used] = 0;
    int status = pclose(pipe);
    unlink(path);
    char right[512];
    snprintf(right, sizeof right,
             "BTCUSD bids [(99, 7, 1)] asks [(100, 4, 1)]\n"
             "ETHUSD bids [] asks [(50, 2, 1)]\n"
             "1 BTCUSD symbol buy 0 @ 0 0\n"
             "2 ETHUSD symbol buy 0 @ 0 0\n"
             "3 BTCUSD add buy 5 @ 100 3\n"
             "4 BTCUSD add buy 7 @ 99 4\n"
             "5 BTCUSD trade sell 5 @ 100 3\n"
             "6 BTCUSD add sell 4 @ 100 %" PRIu64 "\n"
             "7 ETHUSD add sell 2 @ 50 6\n",
             seller);
    assert_string_equal(output, right);
    assert_int_equal(WEXITSTATUS(status), 0);
    char name[64];
    memcpy(name, rig->name, sizeof name);
    rig_end(rig);
    rig_remove(name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_python_example_reads_books_and_events),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
