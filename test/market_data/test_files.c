/* The files in /dev/shm: who may read them, what is not in them, and who takes over from whom. */
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static struct pit_md *open_reader(const char *name)
{
    struct pit_md *md;
    struct pit_error error;
    if (pit_md_open(&md, name, &error) != 0)
        fail_msg("%s", error.text);
    return md;
}

static char *path_of(char path[PIT_MD_PATH_BYTES + 16], const char *name, const char *file)
{
    char directory[PIT_MD_PATH_BYTES];
    snprintf(path, PIT_MD_PATH_BYTES + 16, "%s%s%s", pit_md_directory(directory, name), *file ? "/" : "", file);
    return path;
}

static mode_t mode_of(const char *name, const char *file)
{
    char path[PIT_MD_PATH_BYTES + 16];
    struct stat is;
    assert_int_equal(stat(path_of(path, name, file), &is), 0);
    return is.st_mode & 07777;
}

static uint8_t *contents(const char *name, const char *file, size_t *bytes)
{
    char path[PIT_MD_PATH_BYTES + 16];
    FILE *stream = fopen(path_of(path, name, file), "rb");
    assert_non_null(stream);
    fseek(stream, 0, SEEK_END);
    *bytes = (size_t)ftell(stream);
    rewind(stream);
    uint8_t *all = malloc(*bytes);
    assert_non_null(all);
    assert_int_equal(fread(all, 1, *bytes, stream), *bytes);
    fclose(stream);
    return all;
}

static int try_create(const struct rig_options *options, const char *name, struct pit_error *error)
{
    struct rig *rig = rig_begin(&(struct rig_options){.hidden = true}); /* for its ring and clock */
    struct pit_ring *rings[RIG_MATCHERS_MAX];
    struct pit_publisher_config config = rig_config(rig, options, rings);
    config.name = name;
    struct pit_publisher *publisher;
    int result = pit_publisher_create(&publisher, &config, error);
    pit_publisher_destroy(publisher);
    char own[64];
    memcpy(own, rig->name, sizeof own);
    rig_kill(rig);
    rig_remove(own);
    return result;
}

static void files_are_readable_as_configured_whatever_the_umask(void **state)
{
    (void)state;
    static const struct {
        enum pit_readable_by by;
        mode_t directory, file;
    } right[] = {
        {PIT_READABLE_BY_OWNER, 0700, 0600}, {PIT_READABLE_BY_GROUP, 0750, 0640}, {PIT_READABLE_BY_WORLD, 0755, 0644}};
    static const mode_t masks[] = {0, 077};
    for (size_t m = 0; m < 2; m++)
        for (size_t i = 0; i < 3; i++) {
            mode_t before = umask(masks[m]);
            struct rig *rig = rig_begin(&(struct rig_options){.readable_by = right[i].by});
            umask(before);
            assert_int_equal(mode_of(rig->name, ""), right[i].directory);
            assert_int_equal(mode_of(rig->name, "events"), right[i].file);
            assert_int_equal(mode_of(rig->name, "depth"), right[i].file);
            assert_int_equal(mode_of(rig->name, "lock"), 0600);
            char name[64];
            memcpy(name, rig->name, sizeof name);
            rig_end(rig);
            rig_remove(name);
        }
}

static void directory_of_a_laxer_run_is_tightened(void **state)
{
    (void)state;
    char name[64], path[PIT_MD_PATH_BYTES + 16];
    snprintf(name, sizeof name, "lax-%ld", (long)getpid());
    path_of(path, name, "");
    assert_int_equal(mkdir(path, 0777), 0);
    assert_int_equal(chmod(path, 0777), 0);
    struct rig *rig = rig_begin(&(struct rig_options){.name = name});
    assert_int_equal(mode_of(name, ""), 0755);
    rig_end(rig);
    rig_remove(name);
}

/* Neither the account nor the client id of any order stands in the files, in either byte order. */
static void files_hold_no_account_and_no_client_id(void **state)
{
    (void)state;
    struct rig *rig = rig_begin(&(struct rig_options){.matchers = 2});
    rig_define(rig, 0, "A");
    rig_define(rig, 1, "B");
    struct rig_flow flow[2] = {{.random = 1, .spread = 9}, {.random = 2, .spread = 50}};
    for (uint32_t i = 0; i < 3000; i++)
        rig_flow_step(rig, &flow[i & 1], i & 1);
    rig_settle(rig);
    assert_true(pit_publisher_counters(rig->publisher)->trades > 100);
    static const char *const files[] = {"events", "depth"};
    const uint32_t account = RIG_ACCOUNT, account_swapped = __builtin_bswap32(account);
    const uint32_t client = (uint32_t)(RIG_CLIENT_ID(0) >> 32), client_swapped = __builtin_bswap32(client);
    for (size_t f = 0; f < 2; f++) {
        size_t bytes;
        uint8_t *all = contents(rig->name, files[f], &bytes);
        bool name_found = false;
        for (size_t i = 0; i + 4 <= bytes; i++) {
            assert_memory_not_equal(all + i, &account, 4);
            assert_memory_not_equal(all + i, &account_swapped, 4);
            assert_memory_not_equal(all + i, &client, 4);
            assert_memory_not_equal(all + i, &client_swapped, 4);
            name_found |= memcmp(all + i, "PIT", 3) == 0;
        }
        assert_true(name_found); /* the search does find what is there */
        free(all);
    }
    char name[64];
    memcpy(name, rig->name, sizeof name);
    rig_end(rig);
    rig_remove(name);
}

static void two_pipelines_of_one_name_are_refused(void **state)
{
    (void)state;
    struct rig *rig = rig_begin(&(struct rig_options){0});
    struct pit_md *md = open_reader(rig->name);
    struct pit_error error;
    assert_int_equal(try_create(&(struct rig_options){0}, rig->name, &error), -EEXIST);
    char pid[32];
    snprintf(pid, sizeof pid, "pid %ld", (long)getpid());
    assert_non_null(strstr(error.text, pid));
    /* The first goes on as if nothing had been. */
    rig_define(rig, 0, "A");
    rig_settle(rig);
    struct pit_md_event event;
    assert_int_equal(pit_md_next(md, &event), 1);
    assert_int_not_equal(pit_md_status(md), PIT_MD_REPLACED);
    pit_md_close(md);
    char name[64];
    memcpy(name, rig->name, sizeof name);
    rig_end(rig);
    assert_int_equal(try_create(&(struct rig_options){0}, name, &error), 0);
    char path[PIT_MD_PATH_BYTES];
    assert_int_equal(access(pit_md_directory(path, name), F_OK), -1); /* neither has left anything */
}

static void names_that_could_lead_elsewhere_are_refused(void **state)
{
    (void)state;
    static const char *const names[] = {
        "",        ".",   "..",  "../x",     "a/b",
        ".hidden", "a b", "a\n", "\xc3\xa9", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
    struct pit_error error;
    struct pit_md *md;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        assert_int_equal(try_create(&(struct rig_options){0}, names[i], &error), -EINVAL);
        assert_int_equal(pit_md_open(&md, names[i], &error), -EINVAL);
    }
    assert_true(pit_md_name_valid("Demo-1.x_"));
    assert_true(pit_md_name_valid("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"));
}

static void limits_out_of_range_are_refused(void **state)
{
    (void)state;
    struct pit_error error;
    assert_int_equal(try_create(&(struct rig_options){.event_slots = 4095}, "never", &error), -EINVAL);
    assert_int_equal(try_create(&(struct rig_options){.event_slots = 5000}, "never", &error), -EINVAL);
    assert_int_equal(try_create(&(struct rig_options){.event_slots = 1u << 25}, "never", &error), -EINVAL);
    assert_int_equal(try_create(&(struct rig_options){.symbols_max = PIT_SYMBOLS_MAX + 1}, "never", &error), -EINVAL);
    assert_int_equal(try_create(&(struct rig_options){.readable_by = (enum pit_readable_by)4}, "never", &error),
                     -EINVAL);
}

static void a_directory_that_is_a_link_or_somebody_elses_is_refused(void **state)
{
    (void)state;
    char name[64], path[PIT_MD_PATH_BYTES + 16], target[] = "/dev/shm/pitline-target-XXXXXX";
    struct pit_error error;
    struct pit_md *md;
    snprintf(name, sizeof name, "link-%ld", (long)getpid());
    assert_non_null(mkdtemp(target));
    assert_int_equal(symlink(target, path_of(path, name, "")), 0);
    int created = try_create(&(struct rig_options){0}, name, &error);
    int opened = pit_md_open(&md, name, NULL);
    unlink(path);
    assert_int_equal(rmdir(target), 0); /* nothing was written through it */
    assert_int_equal(created, -EPERM);
    assert_int_equal(opened, -EPROTO);
    if (geteuid() != 0)
        return; /* only root can make somebody else's directory */
    assert_int_equal(mkdir(path, 0755), 0);
    assert_int_equal(chown(path, 65534, 65534), 0);
    created = try_create(&(struct rig_options){0}, name, &error);
    rmdir(path);
    assert_int_equal(created, -EPERM);
    assert_non_null(strstr(error.text, "65534"));
}

static void links_in_place_of_the_files_are_not_followed(void **state)
{
    (void)state;
    char name[64], path[PIT_MD_PATH_BYTES + 16], target[] = "/dev/shm/pitline-target-XXXXXX";
    snprintf(name, sizeof name, "links-%ld", (long)getpid());
    int fd = mkstemp(target);
    assert_int_equal(write(fd, "precious", 8), 8);
    close(fd);
    assert_int_equal(mkdir(path_of(path, name, ""), 0755), 0);
    static const char *const files[] = {"events", "depth", "events.new", "depth.new"};
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(symlink(target, path_of(path, name, files[i])), 0);
    struct rig *rig = rig_begin(&(struct rig_options){.name = name});
    pit_md_close(open_reader(name));
    rig_end(rig);
    struct stat is;
    assert_int_equal(stat(target, &is), 0);
    assert_int_equal(is.st_size, 8);
    rig_remove(name);
    assert_int_equal(mkdir(path_of(path, name, ""), 0755), 0);
    assert_int_equal(symlink(target, path_of(path, name, "lock")), 0);
    struct pit_error error;
    assert_int_not_equal(try_create(&(struct rig_options){0}, name, &error), 0);
    rig_remove(name);
    unlink(target);
}

static uint64_t instance_of(const char *name)
{
    size_t bytes;
    uint8_t *all = contents(name, "events", &bytes);
    uint64_t instance;
    memcpy(&instance, all + offsetof(struct pit_md_events_header, instance), sizeof instance);
    free(all);
    return instance;
}

/* A reader of the first run keeps what it has and learns of the second, however the first ended. */
static void restart(bool killed)
{
    struct rig *rig = rig_begin(&(struct rig_options){0});
    char name[64];
    memcpy(name, rig->name, sizeof name);
    rig_define(rig, 0, "OLD");
    uint64_t order = rig_order(rig, 0, PIT_SIDE_BUY, 100, 5);
    rig_settle(rig);
    struct pit_md *old = open_reader(name);
    uint64_t instance = instance_of(name), status = 0;
    char path[PIT_MD_PATH_BYTES + 16];
    int fd = open(path_of(path, name, "events"), O_RDONLY);
    if (killed)
        rig_kill(rig);
    else
        rig_end(rig);
    assert_int_not_equal(pit_md_status(old), PIT_MD_REPLACED);
    rig = rig_begin(&(struct rig_options){.name = name, .hidden = true});
    assert_int_not_equal(pit_md_status(old), PIT_MD_REPLACED); /* not before there is something to see */
    assert_int_equal(rig->agent.init(rig->agent.state, NULL), 0);
    rig->shown = true;
    assert_int_equal(pit_md_status(old), PIT_MD_REPLACED);
    assert_int_equal(pread(fd, &status, 8, offsetof(struct pit_md_events_header, status)), 8);
    assert_int_equal(status, killed ? PIT_MD_REPLACED : PIT_MD_STOPPED); /* removed files are out of reach */
    close(fd);
    assert_true(instance_of(name) != instance);
    rig_define(rig, 0, "NEW");
    rig_settle(rig);
    struct pit_md_event event;
    pit_md_seek_oldest(old);
    assert_int_equal(pit_md_next(old, &event), 1);
    assert_int_equal(pit_md_next(old, &event), 1);
    assert_int_equal(event.order_id, order);
    assert_int_equal(pit_md_next(old, &event), 0);
    assert_int_equal(pit_md_find(old, "OLD"), 0);
    struct pit_md *md = open_reader(name);
    assert_int_equal(pit_md_find(md, "NEW"), 0);
    assert_int_equal(pit_md_find(md, "OLD"), -ENOENT);
    pit_md_close(md);
    pit_md_close(old);
    rig_end(rig);
    rig_remove(name);
}

static void readers_learn_of_a_restart_after_a_stop(void **state)
{
    (void)state;
    restart(false);
}

static void readers_learn_of_a_restart_after_a_kill(void **state)
{
    (void)state;
    restart(true);
}

static void a_start_that_fails_leaves_the_older_files_alone(void **state)
{
    (void)state;
    struct rig *rig = rig_begin(&(struct rig_options){0});
    char name[64];
    memcpy(name, rig->name, sizeof name);
    rig_kill(rig);
    uint64_t instance = instance_of(name);
    struct pit_error error;
    assert_int_equal(try_create(&(struct rig_options){0}, name, &error), 0); /* made and thrown away, never shown */
    assert_true(instance_of(name) == instance);
    char path[PIT_MD_PATH_BYTES + 16];
    assert_int_equal(access(path_of(path, name, "events.new"), F_OK), -1);
    assert_int_equal(access(path_of(path, name, "depth.new"), F_OK), -1);
    struct pit_md *md = open_reader(name);
    assert_int_equal(pit_md_status(md), PIT_MD_SILENT);
    pit_md_close(md);
    rig_remove(name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_are_readable_as_configured_whatever_the_umask),
        cmocka_unit_test(directory_of_a_laxer_run_is_tightened),
        cmocka_unit_test(files_hold_no_account_and_no_client_id),
        cmocka_unit_test(two_pipelines_of_one_name_are_refused),
        cmocka_unit_test(names_that_could_lead_elsewhere_are_refused),
        cmocka_unit_test(limits_out_of_range_are_refused),
        cmocka_unit_test(a_directory_that_is_a_link_or_somebody_elses_is_refused),
        cmocka_unit_test(links_in_place_of_the_files_are_not_followed),
        cmocka_unit_test(readers_learn_of_a_restart_after_a_stop),
        cmocka_unit_test(readers_learn_of_a_restart_after_a_kill),
        cmocka_unit_test(a_start_that_fails_leaves_the_older_files_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
