/* The reader library on files that are not what they say: it refuses them, or reads nonsense without coming to harm. */
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* The files of a pipeline that was killed, mapped for writing. */
struct files {
    char name[64];
    size_t bytes[2];
    uint8_t *at[2]; /* events, depth */
};

static const char *const file_names[] = {"events", "depth"};

static char *path_of(char path[PIT_MD_PATH_BYTES + 16], const char *name, const char *file)
{
    char directory[PIT_MD_PATH_BYTES];
    snprintf(path, PIT_MD_PATH_BYTES + 16, "%s/%s", pit_md_directory(directory, name), file);
    return path;
}

static void files_begin(struct files *files)
{
    struct rig *rig = rig_begin(&(struct rig_options){0});
    memcpy(files->name, rig->name, sizeof files->name);
    rig_define(rig, 0, "A");
    rig_define(rig, 1, "B");
    struct rig_flow flow = {.random = 3, .spread = 9};
    for (uint32_t i = 0; i < 5000; i++)
        rig_flow_step(rig, &flow, i & 1);
    rig_settle(rig);
    rig_kill(rig);
    for (int f = 0; f < 2; f++) {
        char path[PIT_MD_PATH_BYTES + 16];
        int fd = open(path_of(path, files->name, file_names[f]), O_RDWR);
        struct stat is;
        assert_int_equal(fstat(fd, &is), 0);
        files->bytes[f] = (size_t)is.st_size;
        files->at[f] = mmap(NULL, files->bytes[f], PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        assert_true(files->at[f] != MAP_FAILED);
        close(fd);
    }
}

static void files_end(struct files *files)
{
    munmap(files->at[0], files->bytes[0]);
    munmap(files->at[1], files->bytes[1]);
    rig_remove(files->name);
}

static int try_open(const struct files *files)
{
    struct pit_md *md;
    struct pit_error error = {0};
    int result = pit_md_open(&md, files->name, &error);
    assert_int_equal(result, error.code);
    pit_md_close(md);
    return result;
}

static void every_number_of_the_headers_is_checked(void **state)
{
    (void)state;
    static const struct {
        int file;
        size_t offset;
        size_t bytes;
    } numbers[] = {
        {0, offsetof(struct pit_md_events_header, magic), 8},
        {0, offsetof(struct pit_md_events_header, version), 4},
        {0, offsetof(struct pit_md_events_header, header_bytes), 4},
        {0, offsetof(struct pit_md_events_header, slots), 8},
        {0, offsetof(struct pit_md_events_header, slot_bytes), 8},
        {1, offsetof(struct pit_md_depth_header, magic), 8},
        {1, offsetof(struct pit_md_depth_header, version), 4},
        {1, offsetof(struct pit_md_depth_header, header_bytes), 4},
        {1, offsetof(struct pit_md_depth_header, symbols_max), 8},
        {1, offsetof(struct pit_md_depth_header, entry_bytes), 8},
        {1, offsetof(struct pit_md_depth_header, image_bytes), 8},
        {1, offsetof(struct pit_md_depth_header, levels), 8},
        {1, offsetof(struct pit_md_depth_header, entries_offset), 8},
        {1, offsetof(struct pit_md_depth_header, images_offset), 8},
    };
    static const uint64_t wrong[] = {0, 1, 3, 64, 4097, UINT32_MAX, UINT64_MAX, UINT64_C(1) << 58};
    struct files files;
    files_begin(&files);
    assert_int_equal(try_open(&files), 0);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        uint8_t *at = files.at[numbers[i].file] + numbers[i].offset;
        uint64_t right = 0;
        memcpy(&right, at, numbers[i].bytes);
        for (size_t w = 0; w < sizeof wrong / sizeof *wrong; w++) {
            if (memcmp(&wrong[w], &right, numbers[i].bytes) == 0)
                continue;
            memcpy(at, &wrong[w], numbers[i].bytes);
            assert_int_equal(try_open(&files), -EPROTO);
        }
        memcpy(at, &right, numbers[i].bytes);
    }
    assert_int_equal(try_open(&files), 0);
    files.at[1][offsetof(struct pit_md_depth_header, instance)] ^= 1; /* two runs' files: one is about to go */
    assert_int_equal(try_open(&files), -ENOENT);
    files_end(&files);
}

static void files_of_another_size_or_kind_are_refused(void **state)
{
    (void)state;
    struct files files;
    char path[PIT_MD_PATH_BYTES + 16];
    for (int f = 0; f < 2; f++) {
        static const off_t sizes[] = {0, 1, 4095, 4096, 8192, 1 << 24};
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            files_begin(&files);
            assert_int_equal(truncate(path_of(path, files.name, file_names[f]), sizes[i]), 0);
            assert_int_equal(try_open(&files), -EPROTO);
            files_end(&files);
        }
        files_begin(&files);
        assert_int_equal(chmod(path_of(path, files.name, file_names[f]), 0666), 0);
        assert_int_equal(try_open(&files), -EPROTO); /* anybody could have written it */
        assert_int_equal(unlink(path), 0);
        assert_int_equal(try_open(&files), -ENOENT);
        assert_int_equal(mkfifo(path, 0644), 0);
        assert_int_equal(try_open(&files), -EPROTO); /* and does not hang */
        assert_int_equal(unlink(path), 0);
        assert_int_equal(symlink("/dev/zero", path), 0);
        assert_int_equal(try_open(&files), -EPROTO);
        files_end(&files);
    }
}

/* Every call of the library, in bounds and out. Whatever comes back must be in its range. */
static void use_reader(struct pit_md *md, uint64_t *random)
{
    struct pit_md_event event;
    struct pit_md_depth depth;
    struct pit_md_symbol symbol;
    for (int i = 0; i < 200; i++) {
        uint64_t choice = rig_random(random) % 8;
        uint32_t id = (uint32_t)(rig_random(random) % 4 ? rig_random(random) % RIG_SYMBOLS_MAX : rig_random(random));
        if (choice == 0)
            pit_md_seek_oldest(md);
        else if (choice == 1)
            pit_md_seek_newest(md);
        else if (choice < 5)
            pit_md_next(md, &event);
        else if (choice == 5 && pit_md_depth(md, id, &depth) == 0)
            assert_true(depth.bids <= PIT_MD_LEVELS && depth.asks <= PIT_MD_LEVELS);
        else if (choice == 6 && pit_md_symbol(md, id, &symbol) == 0) {
            assert_true(memchr(symbol.name, 0, sizeof symbol.name) != NULL);
            for (const char *c = symbol.name; *c; c++)
                assert_true(*c > ' ' && *c <= '~');
            char text[PIT_DECIMAL_BYTES];
            pit_decimal_format(text, INT64_MIN, symbol.tick_mantissa, symbol.tick_decimals);
            assert_true(memchr(text, 0, sizeof text) != NULL);
        } else {
            assert_true(pit_md_symbols(md) <= RIG_SYMBOLS_MAX);
            pit_md_find(md, "A");
            pit_md_status(md);
        }
    }
}

static void anything_behind_the_headers_is_read_without_harm(void **state)
{
    (void)state;
    uint64_t random = rig_seed();
    struct files files;
    files_begin(&files);
    for (int round = 0; round < 300; round++) {
        struct pit_md *md;
        assert_int_equal(pit_md_open(&md, files.name, NULL), 0);
        for (int burst = 0; burst < 4; burst++) {
            int f = (int)(rig_random(&random) % 2);
            size_t fixed = f == 0 ? offsetof(struct pit_md_events_header, published)
                                  : offsetof(struct pit_md_depth_header, symbols);
            size_t places = (files.bytes[f] - fixed) / 8;
            for (int i = 0; i < 200; i++) {
                uint64_t value = rig_random(&random) % 3 ? rig_random(&random) >> (rig_random(&random) % 64) : 0;
                size_t near = rig_random(&random) % 2 ? 64 : places;
                memcpy(files.at[f] + fixed + 8 * (rig_random(&random) % near), &value, 8);
            }
            use_reader(md, &random);
        }
        pit_md_close(md);
        memset(files.at[0] + offsetof(struct pit_md_events_header, status), 0, 8); /* or it would count as replaced */
    }
    files_end(&files);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_number_of_the_headers_is_checked),
        cmocka_unit_test(files_of_another_size_or_kind_are_refused),
        cmocka_unit_test(anything_behind_the_headers_is_read_without_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
