/* Every packet of the table on a target without a machine. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/unit/gdbstub/fake_target.h"

static struct fake fake;
static struct gdb_session session;

static int setup(void **state)
{
    struct gdb_target target = {&fake_ops, &fake};

    (void)state;
    fake_init(&fake);
    gdb_session_init(&session, &target);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    gdb_session_fini(&session);
    return 0;
}

/* The reply to PACKET; NULL: none. */
static const char *ask(const char *packet)
{
    return gdb_session_packet(&session, packet, strlen(packet))
               ? strbuf_str(&session.body)
               : NULL;
}

#define FILE_NAME "2f736f6d652f7768657265" /* /some/where */

/* clang-format off */
static const struct {
    const char *packet, *reply;
} rows[] = {
    { "!", "OK" },
    { "?", "T05thread:1;core:0;00:11111111;01:22222222;" },
    { "g", "111111112222222233333333xxxxxxxx" },
    { "p1", "22222222" }, { "p3", "xxxxxxxx" }, { "p4", "E16" }, { "p", "E16" },
    { "P1=01020304", "OK" }, { "P1=010203", "E16" }, { "P2=00000000", "E01" },
    { "P9=00", "E16" }, { "P1", "E16" },
    { "G111111112222222233333333xxxxxxxx", "E01" }, { "G1111", "E16" },
    { "m1000,4", "00010203" }, { "m10ffe,8", "0100" }, { "m0,4", "E0e" },
    { "m11000,1", "E0e" }, { "m1000", "E16" }, { "m1000,0", "" },
    { "mffffffffffffffff,ffffffffffffffff", "E0e" },
    { "m10000000000000000,1", "E16" },
    { "x1000,2", "b\0" }, { "M1000,2:abcd", "OK" }, { "M1000,2:ab", "E16" },
    { "M1000,1:zz", "E16" }, { "M0,1:00", "E0e" }, { "X1000,2:ab", "OK" },
    { "X1000,0:", "OK" }, { "X1000,3:ab", "E16" },
    { "Hg0", "OK" }, { "Hc-1", "OK" }, { "Hgp1.1", "OK" }, { "Hg2", "E03" },
    { "H", "E16" }, { "T1", "OK" }, { "Tp1.-1", "OK" }, { "T5", "E03" },
    { "Z0,1000,1", "OK" }, { "Z4,1000,4", "OK" }, { "Z2,1000,0", "E16" },
    { "Z5,1000,1", "" }, { "Z0,bad,1", "E1c" }, { "Z0,1000", "E16" },
    { "Z0,1000,1;X2,2227", "OK" }, { "Z0,1000,1;X2,2227X1,27", "OK" },
    { "Z0,1000,1;X3,2227", "E16" }, { "Z0,1000,1;Xffffffffffffffff,00", "E16" },
    { "Z0,1000,1;cmds:1,X1,27", "OK" }, { "Z0,1000,1;X1,27;cmds:0,X1,27", "OK" },
    { "Z0,1000,1;cmds:", "E16" }, { "Z0,1000,1;nonsense", "E16" },
    { "z0,1000,1", "OK" }, { "z0,9999,1", "OK" },
    { "vCont?", "vCont;c;C;s;S;t;r" }, { "vCont", "" }, { "vCont;q", "E16" },
    { "vCont;s:7", "E03" }, { "vCont;", "E16" }, { "vCont;r1", "E16" },
    { "vCont;r2,1", "E16" },
    { "vCont;t", "T05thread:1;core:0;00:11111111;01:22222222;" },
    { "vMustReplyEmpty", "" }, { "bs", "" }, { "bc", "" }, { "", "" },
    { "qC", "QC1" }, { "qCat", "" }, { "qAttached", "1" },
    { "qfThreadInfo", "m1" }, { "qsThreadInfo", "l" },
    { "qThreadExtraInfo,1", "76435055" }, { "qThreadExtraInfo,3", "E03" },
    { "qOffsets", "Text=0;Data=0;Bss=0" }, { "qSymbol::", "OK" },
    { "qXfer:features:read:target.xml:0,fff", "l<target>}]}\n</target>" },
    { "qXfer:features:read:target.xml:0,3", "m<ta" },
    { "qXfer:features:read:target.xml:ff,3", "E16" },
    { "qXfer:features:read:other:0,3", "E02" },
    { "qXfer:exec-file:read:1:5,fff", "l/where" },
    { "qXfer:memory-map:read::0,fff", "l/some/where" },
    { "qXfer:libraries:read::0,fff", "l<library-list/>" },
    { "qXfer:libraries:read::9,2", "mli" },
    { "qXfer:nothing:read::0,fff", "" },
    { "qCRC:1000,4", "C6b6dc92a" }, { "qCRC:0,4", "E0e" },
    { "qSearch:memory:1000;100;\x05\x06", "1,1005" },
    { "qSearch:memory:1000;100;\x06\x05", "0" },
    { "qSearch:memory:1000;100;", "E16" },
    { "qRcmd,", "OK" }, { "qRcmd,6869", "736169640a" }, { "qRcmd,6", "E16" },
    { "Qqemu.PhyMemMode:1", "OK" }, { "qqemu.PhyMemMode", "1" },
    { "Qqemu.PhyMemMode:0", "OK" }, { "qqemu.sstep", "0x7" },
    { "qqemu.sstepbits", "ENABLE=1,NOIRQ=2,NOTIMER=4" },
    { "Qqemu.sstep=0x5", "OK" }, { "Qqemu.sstep=0x", "E16" },
    { "Qqemu.sstep=1", "OK" }, { "Qqemu.sstep=8", "E16" },
    { "vFile:setfs:0", "F0" }, { "vFile:setfs:5", "F-1,2" },
    { "vFile:open:" FILE_NAME ",0,0", "F0" },
    { "vFile:open:" FILE_NAME "00,0,0", "F-1,2" },
    { "vFile:open:" FILE_NAME ",1,0", "F-1,1e" }, /* to write */
    { "vFile:open:" FILE_NAME ",601,1b6", "F-1,1e" },
    { "vFile:open:2f6574632f706173737764,0,0", "F-1,2" }, /* /etc/passwd */
    { "vFile:open:2f736f6d652f2e2e2f736f6d652f7768657265,0,0", "F-1,2" },
    { "vFile:open:,0,0", "F-1,2" }, { "vFile:open:zz,0,0", "F-1,2" },
    { "vFile:open:" FILE_NAME, "E16" }, { "vFile:pread:0,1", "E16" },
    { "vFile:pread:0,10,0", "F-1,9" }, { "vFile:fstat:0", "F-1,9" },
    { "vFile:close:0", "F-1,9" }, { "vFile:close:ffffffffffffffff", "F-1,9" },
    { "vFile:readlink:" FILE_NAME, "F-1,16" },
    { "vFile:readlink:2f6574632f706173737764", "F-1,2" },
    { "vFile:pwrite:0,0,x", "" }, { "vFile:unlink:" FILE_NAME, "" },
    { "vFile:stat:" FILE_NAME, "" }, { "vFile:", "" },
    { "vAttach;1", "T05thread:1;core:0;00:11111111;01:22222222;" },
    { "vAttach;2", "E03" }, { "vKill;2", "E03" }, { "QStartNoAckMode", "OK" },
};
/* clang-format on */

static void test_replies(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const char *reply;

        setup(state);
        if (strncmp(rows[i].packet, "qqemu.Phy", 9) == 0)
            session.phys = true;
        reply = ask(rows[i].packet);
        if (!reply || strcmp(reply, rows[i].reply) != 0)
            fail_msg("%s: %s, not %s", rows[i].packet, reply ? reply : "none",
                     rows[i].reply);
        teardown(state);
    }
}

static void test_table(void **state)
{
    (void)state;
    for (size_t i = 0; gdb_command_nth(i); i++) {
        const struct gdb_command *cmd = gdb_command_nth(i);

        assert_ptr_equal(gdb_command_find(cmd->prefix), cmd);
        assert_true(strlen(cmd->schema) / 2 <= GDB_ARGS_MAX);
    }
}

static void test_features(void **state)
{
    const char *reply = ask("qSupported:multiprocess+;swbreak+;xyz;hwbreak-;"
                            "error-message+");

    (void)state;
    assert_non_null(strstr(reply, "PacketSize=20000;"));
    assert_non_null(strstr(reply, "ConditionalBreakpoints+"));
    assert_null(strstr(reply, "ReverseStep"));
    assert_int_equal(session.features, GDB_FEATURE_MULTIPROCESS |
                                           GDB_FEATURE_SWBREAK |
                                           GDB_FEATURE_ERROR_MESSAGE);
    fake.stop.reason = GDB_REASON_SWBREAK;
    assert_non_null(strstr(ask("?"), "thread:p1.1;core:0;swbreak:;"));
    fake.stop.reason = GDB_REASON_HWBREAK; /* not announced: not said */
    assert_null(strstr(ask("?"), "hwbreak"));
    assert_memory_equal(ask("m0,1"), "E.no memory at 0", 16);
}

/* Whatever is announced is understood, and what need not be is not. */
static void test_announced(void **state)
{
    static const char *const asked[][2] = {
        {"QStartNoAckMode+", "QStartNoAckMode"},
        {"vContSupported+", "vCont?"},
        {"binary-upload+", "x1000,1"},
        {"qXfer:features:read+", "qXfer:features:read:target.xml:0,1"},
        {"qXfer:threads:read+", "qXfer:threads:read::0,1"},
        {"qXfer:memory-map:read+", "qXfer:memory-map:read::0,1"},
        {"qXfer:libraries:read+", "qXfer:libraries:read::0,1"},
        {"qXfer:exec-file:read+", "qXfer:exec-file:read:1:0,1"},
        {"ConditionalBreakpoints+", "Z0,1000,1;X1,27"},
        {"BreakpointCommands+", "Z0,1000,1;cmds:0,X1,27"},
        {"multiprocess+", "Hgp1.1"},
        {"PacketSize=20000", ""}, /* these ask for nothing */
        {"swbreak+", ""},
        {"hwbreak+", ""},
        {"error-message+", ""},
    };
    char all[1024];
    unsigned found = 0;

    (void)state;
    snprintf(all, sizeof(all), "%s", ask("qSupported"));
    for (char *word = strtok(all, ";"); word; word = strtok(NULL, ";")) {
        size_t i = 0;

        while (i < ARRAY_SIZE(asked) && strcmp(asked[i][0], word) != 0)
            i++;
        if (i == ARRAY_SIZE(asked))
            fail_msg("%s is announced, but nobody asks for it", word);
        if (asked[i][1][0]) {
            const char *reply = ask(asked[i][1]);

            if (!reply || !*reply || *reply == 'E')
                fail_msg("%s: %s answers %s", word, asked[i][1], reply);
        }
        found++;
    }
    assert_int_equal(found, ARRAY_SIZE(asked));
}

/* Each row of the table, told nonsense: an error or nothing, and no effect. */
static void test_malformed(void **state)
{
    static const char *const numbers[] = {
        "",          "z",  "-",
        ",",         "1,", ",1",
        "1;",        "1:", "10000000000000000",
        "1,2,3,4,5", "1 ", "\xff",
        "0x1",       "1=", "1.1",
    };

    for (size_t i = 0; gdb_command_nth(i); i++) {
        const struct gdb_command *cmd = gdb_command_nth(i);
        const char *schema = cmd->schema + (cmd->schema[0] == '?');

        for (size_t k = 0; k < ARRAY_SIZE(numbers); k++) {
            struct gdb_args args;
            char packet[128];
            const char *reply;
            size_t len = strlen(numbers[k]);

            setup(state);
            snprintf(packet, sizeof(packet), "%s%s", cmd->prefix, numbers[k]);
            reply = ask(packet);
            if (gdb_command_find(packet) == cmd && schema[0] != 'S' &&
                !gdb_args_parse(cmd->schema, numbers[k], len, &args) &&
                (!reply || (*reply && *reply != 'E')))
                fail_msg("%s: %s", packet, reply ? reply : "no reply");
            if (reply && *reply == 'E')
                assert_true(!fake.running && !fake.killed && !fake.points &&
                            !fake.restarts && fake.reg[0] == 0x11111111);
            teardown(state);
        }
    }
}

/* Several descriptors, and all of the file in pieces. */
static void test_file(void **state)
{
    char packet[64];
    size_t at = 0;

    (void)state;
    for (unsigned i = 0; i < GDB_FILES_MAX; i++) {
        char want[8];

        snprintf(want, sizeof(want), "F%x", i);
        assert_string_equal(ask("vFile:open:" FILE_NAME ",0,0"), want);
    }
    assert_string_equal(ask("vFile:open:" FILE_NAME ",0,0"), "F-1,18");
    assert_string_equal(ask("vFile:close:3"), "F0");
    assert_string_equal(ask("vFile:close:3"), "F-1,9");
    assert_string_equal(ask("vFile:pread:3,10,0"), "F-1,9");
    assert_string_equal(ask("vFile:open:" FILE_NAME ",0,0"), "F3");
    assert_memory_equal(ask("vFile:pread:3,4,20"), "F4; !\"}\3", 8);
    for (;;) {
        snprintf(packet, sizeof(packet), "vFile:pread:3,fffff,%zx", at);
        size_t n = strtoul(ask(packet) + 1, NULL, 16);

        if (!n)
            break;
        at += n;
    }
    assert_int_equal(at, 100000);
    assert_string_equal(ask("vFile:pread:3,10,ffffffffffffffff"), "F0;");
    assert_memory_equal(ask("vFile:fstat:3"), "F40;", 4);
    assert_memory_equal(session.body.text + 4 + 8, "\0\0\x81}\4", 5);
    assert_int_equal((uint8_t)session.body.text[session.body.len - 1], 0x78);
}

/* Who has read the list is told, once, that it is another: at a resume. */
static void test_libraries(void **state)
{
    (void)state;
    fake.libraries = "<library-list>1</library-list>";
    assert_null(ask("c")); /* the client has never asked */
    fake.running = false;
    gdb_session_stopped(&session);
    assert_memory_equal(ask("qXfer:libraries:read::0,fff"), "l<lib", 5);
    fake.libraries = "<library-list>2</library-list>";
    assert_memory_equal(ask("vCont;s:1"), "T05thread:1;core:0;library:;", 28);
    assert_false(fake.running);
    assert_null(ask("vCont;s:1"));
    assert_true(fake.running);
}

static void test_offsets(void **state)
{
    (void)state;
    fake.load_offset = 0x1000000;
    assert_string_equal(ask("qOffsets"),
                        "Text=1000000;Data=1000000;Bss=1000000");
    fake.load_offset = -0x1000;
    assert_memory_equal(ask("qOffsets"), "Text=fffffffffffff000;", 22);
}

/* "monitor step": what it says comes with the stop. */
static void test_monitor_runs(void **state)
{
    static const char step[] = "qRcmd,73746570";

    (void)state;
    assert_null(ask(step));
    assert_false(gdb_session_awaits_stop(&session));
    fake.running = false;
    assert_true(gdb_session_stopped(&session));
    assert_memory_equal(strbuf_str(&session.body),
                        "72616e0a"
                        "676462",
                        14);
    assert_string_equal(ask("m1000,1"), "00");

    /* A client that asks for changes needs no advice. */
    fake.changes = 0x1f;
    assert_string_equal(ask("qringside.changes"), "1f");
    assert_null(ask(step));
    fake.running = false;
    assert_true(gdb_session_stopped(&session));
    assert_string_equal(strbuf_str(&session.body), "72616e0a");

    /* One that asks for something else has given up waiting. */
    assert_null(ask(step));
    assert_null(ask("m1001,1"));
    assert_int_equal(fake.interrupts, 1);
    fake.running = false;
    assert_true(gdb_session_stopped(&session));
    assert_string_equal(strbuf_str(&session.body), "01");
    assert_false(gdb_session_stopped(&session));

    /* Or for another run, whose stop is told as ever. */
    assert_null(ask(step));
    assert_null(ask("c"));
    fake.running = false;
    assert_false(gdb_session_stopped(&session));
    assert_true(gdb_session_awaits_stop(&session));
    fake.running = false;
    assert_true(gdb_session_stopped(&session));
    assert_int_equal(strbuf_str(&session.body)[0], 'T');

    /* ^C is for what the client asked for last. */
    assert_null(ask(step));
    assert_null(ask("c"));
    gdb_session_interrupt(&session);
    assert_int_equal(fake.interrupts, 3);
    fake.running = false;
    assert_false(gdb_session_stopped(&session));
    assert_int_equal(fake.interrupts, 4);
    fake.running = false;
    assert_true(gdb_session_stopped(&session));
    gdb_session_interrupt(&session);
    assert_int_equal(fake.interrupts, 4);

    assert_string_equal(ask("qRcmd,71756974"),
                        "736169640a7468652067756573742069"
                        "73206f66660a");
    assert_true(fake.killed);
}

static void test_running(void **state)
{
    (void)state;
    assert_null(ask("vCont;s:1;c"));
    assert_int_equal(fake.last_resume.kind, GDB_STEP);
    assert_string_equal(ask("vCont;c"), "E10");
    assert_string_equal(ask("s"), "E10");
    assert_string_equal(ask("m1000,1"), "00");
    assert_null(ask("?"));
    assert_int_equal(fake.interrupts, 1);
    fake.running = false;
    fake.stop = (struct gdb_stop){
        .code = 5, .reason = GDB_REASON_RWATCH, .addr = 0xabc};
    assert_true(gdb_session_stopped(&session));
    assert_non_null(strstr(strbuf_str(&session.body), ";rwatch:abc;"));
    /* Nobody waits: nothing is said. */
    assert_false(gdb_session_stopped(&session));
    assert_null(ask("vCont;r1000,1010:1"));
    assert_int_equal(fake.last_resume.start, 0x1000);
    assert_int_equal(fake.last_resume.end, 0x1010);
    assert_false(fake.last_resume.into_interrupts);
    fake.running = false;
    ask("Qqemu.sstep=1");
    assert_null(ask("c2000"));
    assert_int_equal(fake.reg[0], 0x2000);
    assert_true(fake.last_resume.into_interrupts);
    fake.running = false;
    assert_null(ask("S05;3000"));
    assert_int_equal(fake.reg[0], 0x3000);
    fake.running = false;
    assert_null(ask("C05"));
}

static void test_end_of_life(void **state)
{
    (void)state;
    fake.stop = (struct gdb_stop){.kind = GDB_STOP_EXITED, .code = 7};
    assert_string_equal(ask("?"), "W07");
    ask("qSupported:multiprocess+");
    assert_string_equal(ask("?"), "W07;process:1");
    assert_string_equal(ask("vRun;"), "E01");
    ask("!");
    assert_string_equal(ask("vKill;1"), "OK");
    assert_false(fake.killed); /* for good */
    assert_string_equal(ask("?"), "X09;process:1");
    assert_string_equal(ask("vCont;c"), "E03");
    fake.stop = (struct gdb_stop){.code = 5};
    assert_memory_equal(ask("vRun;"), "T05", 3);
    assert_null(ask("R00"));
    assert_int_equal(fake.restarts, 2);
    /* It runs since a `detach`: stopped first, restarted then. */
    fake.running = true;
    fake.interrupts = 0;
    assert_null(ask("vRun;"));
    assert_int_equal(fake.interrupts, 1);
    assert_int_equal(fake.restarts, 2);
    fake.running = false;
    assert_true(gdb_session_stopped(&session));
    assert_memory_equal(strbuf_str(&session.body), "T05", 3);
    assert_int_equal(fake.restarts, 3);
    session.extended = false;
    fake.points = 3;
    assert_string_equal(ask("D;1"), "OK");
    assert_int_equal(fake.points, 0);
    assert_true(fake.running && session.detached);
    assert_null(ask("k"));
    assert_true(fake.killed);
}

static void test_expressions(void **state)
{
    (void)state;
    assert_string_equal(ask("Z0,1000,1;X2,2227X1,27;cmds:1,X3,222a27"), "OK");
    assert_int_equal(fake.last_point.conditions, 2);
    assert_int_equal(fake.last_point.condition[1].len, 1);
    assert_int_equal(fake.last_point.commands, 1);
    assert_int_equal(fake.last_point.command[0].len, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_replies),
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_malformed),
        cmocka_unit_test_setup_teardown(test_announced, setup, teardown),
        cmocka_unit_test_setup_teardown(test_file, setup, teardown),
        cmocka_unit_test_setup_teardown(test_libraries, setup, teardown),
        cmocka_unit_test_setup_teardown(test_offsets, setup, teardown),
        cmocka_unit_test_setup_teardown(test_features, setup, teardown),
        cmocka_unit_test_setup_teardown(test_monitor_runs, setup, teardown),
        cmocka_unit_test_setup_teardown(test_running, setup, teardown),
        cmocka_unit_test_setup_teardown(test_end_of_life, setup, teardown),
        cmocka_unit_test_setup_teardown(test_expressions, setup, teardown),
    };

    return cmocka_run_group_tests_name("gdb packets' commands", tests, NULL,
                                       NULL);
}
