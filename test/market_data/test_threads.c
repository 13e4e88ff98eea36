/* Publisher and reader at full speed on two threads, through mappings of their own as two processes have them. */
#include "follower.h"
#include "support.h"

#include <pthread.h>
#include <sched.h>

#define SYMBOLS 3u
#define COMMANDS 150000u

struct writer {
    struct rig *rig;
    uint64_t random;
    struct pit_sequence done;
};

static void *write_all(void *context)
{
    struct writer *writer = context;
    struct rig *rig = writer->rig;
    struct rig_flow flow[SYMBOLS];
    for (uint32_t i = 0; i < SYMBOLS; i++)
        flow[i] = (struct rig_flow){.random = writer->random + i, .spread = 6};
    for (uint32_t i = 0; i < COMMANDS; i++) {
        uint32_t symbol = (uint32_t)(rig_random(&writer->random) % SYMBOLS);
        rig_flow_step(rig, &flow[symbol], symbol);
        rig->now_ns += 500;
        if (rig_random(&writer->random) % 16 == 0)
            rig->agent.do_work(rig->agent.state);
        if (i % 1024 == 0)
            sched_yield();
    }
    rig_settle(rig);
    pit_sequence_store(&writer->done, 1);
    return NULL;
}

/* A reader that sometimes keeps up and sometimes does not: exact in the end, and never in between misled. */
static void a_reader_beside_a_busy_publisher_is_never_misled(void **state)
{
    (void)state;
    struct rig *rig = rig_begin(&(struct rig_options){.matchers = 2});
    static const char *const names[SYMBOLS] = {"A", "B", "C"};
    for (uint32_t i = 0; i < SYMBOLS; i++)
        rig_define(rig, i, names[i]);
    rig_settle(rig);
    struct pit_md *md;
    assert_int_equal(pit_md_open(&md, rig->name, NULL), 0);
    pit_md_seek_oldest(md);
    struct follower follower;
    follower_begin(&follower, md, SYMBOLS);
    struct writer *writer = aligned_alloc(128, sizeof *writer);
    assert_non_null(writer);
    memset(writer, 0, sizeof *writer);
    writer->rig = rig;
    writer->random = rig_seed();
    uint64_t random = writer->random;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, write_all, writer), 0);
    while (pit_sequence_load(&writer->done) == 0) {
        follower_read(&follower, rig_random(&random) % 20000);
        if (rig_random(&random) % 4 == 0)
            sched_yield();
    }
    pthread_join(thread, NULL);
    follower_read(&follower, UINT64_MAX);
    print_message("# %" PRIu64 " events read, %" PRIu64 " lost in %" PRIu64 " laps\n", follower.seen, follower.lost,
                  follower.laps);
    follower_end(&follower, rig);
    pit_md_close(md);
    free(writer);
    char name[64];
    memcpy(name, rig->name, sizeof name);
    rig_end(rig);
    rig_remove(name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reader_beside_a_busy_publisher_is_never_misled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
