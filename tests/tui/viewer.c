/*
 * Sits at a terminal as a person would: types keys and looks at the screen.
 * The terminal is libvterm's, so that what is seen went through ncurses,
 * terminfo and a terminal emulator.
 *
 *   viewer WIDTHxHEIGHT SCRIPT COMMAND [ARG...]
 *
 * COMMAND runs on a pseudo-terminal of that size, with TERM=xterm-256color.
 * SCRIPT has one step a line:
 *
 *   within SECONDS    the limit for each wait from here on; 60 at first
 *   size WxH          the window is resized
 *   keys TEXT         typed; \r \t \e \\ and \<Up> \<PgDn> \<Home>... are known
 *   mouse X,Y WHAT    click, up or down (the wheel) in that column and row,
 *                     from 0
 *   see TEXT          wait until a line of the screen holds TEXT
 *   show FILE         wait until the screen is what FILE says; a last line
 *                     "status N", which the golden screens end with, is left
 *                     out
 *   end               wait until COMMAND has ended with status 0
 *   # ...             a comment
 *
 * Every step but comments and limits prints "PASS step" or "FAIL step: why";
 * after a FAIL the screen is printed and nothing more is tried.  SLOWER=N in
 * the environment makes every limit N times as long.
 */
#include <errno.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <vterm.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define LINE_BYTES    512
#define SCREEN_BYTES  (256 * 1024)

struct viewer {
    pid_t child;
    int fd; /* -1: COMMAND has closed it */
    VTerm *vt;
    VTermScreen *screen;
    double limit, slower;
    char text[SCREEN_BYTES]; /* the screen, a line a row, no blanks at ends */
    char wanted[SCREEN_BYTES];
    char why[LINE_BYTES]; /* of the step that failed */
};

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ---- the screen --------------------------------------------------------- */

static size_t utf8(char *out, uint32_t ch)
{
    if (ch < 0x80) {
        out[0] = (char)ch;
        return 1;
    }
    if (ch < 0x800) {
        out[0] = (char)(0xc0 | ch >> 6);
        out[1] = (char)(0x80 | (ch & 0x3f));
        return 2;
    }
    out[0] = (char)(0xe0 | ch >> 12);
    out[1] = (char)(0x80 | (ch >> 6 & 0x3f));
    out[2] = (char)(0x80 | (ch & 0x3f));
    return 3;
}

/* Reads the cells into v->text. */
static void read_screen(struct viewer *v)
{
    int rows, cols;
    size_t n = 0, end = 0;

    vterm_get_size(v->vt, &rows, &cols);
    for (int row = 0; row < rows; row++) {
        for (int col = 0; col < cols && n + 8 < SCREEN_BYTES; col++) {
            VTermPos pos = {.row = row, .col = col};
            VTermScreenCell cell;

            vterm_screen_get_cell(v->screen, pos, &cell);
            n += utf8(v->text + n, cell.chars[0] ? cell.chars[0] : ' ');
            if (v->text[n - 1] != ' ')
                end = n;
        }
        n = end;
        v->text[n++] = '\n';
        end = n;
    }
    v->text[n] = '\0';
}

/* What the terminal itself has to say: answers to queries. */
static void send_answers(struct viewer *v)
{
    char bytes[256];
    size_t n = vterm_output_read(v->vt, bytes, sizeof(bytes));

    while (n > 0 && v->fd >= 0) {
        if (write(v->fd, bytes, n) < 0)
            return; /* it has ended: the next wait will say so */
        n = vterm_output_read(v->vt, bytes, sizeof(bytes));
    }
}

/* Takes what COMMAND prints, waiting for it until UNTIL at most. */
static void listen_until(struct viewer *v, double until)
{
    struct pollfd p = {.fd = v->fd, .events = POLLIN};
    double left = until - now();
    char bytes[16384];
    ssize_t n;

    if (v->fd < 0 || left <= 0 || poll(&p, 1, (int)(left * 1000) + 1) <= 0)
        return;
    n = read(v->fd, bytes, sizeof(bytes));
    if (n <= 0) { /* a terminal's other end says EIO when it is closed */
        close(v->fd);
        v->fd = -1;
        return;
    }
    vterm_input_write(v->vt, bytes, (size_t)n);
    send_answers(v);
}

/* ---- steps: true, or false with v->why set ------------------------------- */

__attribute__((format(printf, 2, 3))) static bool fail(struct viewer *v,
                                                       const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(v->why, sizeof(v->why), format, args);
    va_end(args);
    return false;
}

static bool step_within(struct viewer *v, char *arg)
{
    v->limit = atof(arg) * v->slower;
    return true;
}

static bool parse_size(const char *text, struct winsize *size)
{
    *size = (struct winsize){0};
    return sscanf(text, "%hux%hu", &size->ws_col, &size->ws_row) == 2;
}

static bool step_size(struct viewer *v, char *arg)
{
    struct winsize size;

    if (!parse_size(arg, &size))
        return fail(v, "no size");
    vterm_set_size(v->vt, size.ws_row, size.ws_col);
    ioctl(v->fd, TIOCSWINSZ, &size); /* SIGWINCH comes of it */
    return true;
}

static const struct {
    const char *name, *bytes;
} keys[] = {
    {"r", "\r"},          {"t", "\t"},           {"e", "\033"},
    {"\\", "\\"},         {"<Up>", "\033OA"},    {"<Down>", "\033OB"},
    {"<Home>", "\033OH"}, {"<End>", "\033OF"},   {"<PgUp>", "\033[5~"},
    {"<Enter>", "\r"},    {"<PgDn>", "\033[6~"}, {"<S-Tab>", "\033[Z"},
    {"<C-c>", "\003"},
};

/* The key after a backslash; *AT moves behind it. */
static const char *named_key(const char **at)
{
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        size_t n = strlen(keys[i].name);

        if (!strncmp(*at, keys[i].name, n)) {
            *at += n;
            return keys[i].bytes;
        }
    }
    return NULL;
}

static bool step_keys(struct viewer *v, char *arg)
{
    const char *at = arg;

    while (*at) {
        char one[2] = {*at++, 0};
        const char *bytes = one[0] == '\\' ? named_key(&at) : one;

        if (!bytes) {
            return fail(v, "no such key: \\%s", at);
        }
        if (write(v->fd, bytes, strlen(bytes)) < 0) {
            return fail(v, "it has ended");
        }
        listen_until(v, now() + 0.001);
    }
    return true;
}

static bool step_mouse(struct viewer *v, char *arg)
{
    static const struct {
        const char *name;
        int button;
    } buttons[] = {{"click", 1}, {"up", 4}, {"down", 5}};
    char what[8] = "";
    int x, y;

    if (sscanf(arg, "%d,%d %7s", &x, &y, what) != 3)
        return fail(v, "no column and row");
    for (size_t i = 0; i < ARRAY_SIZE(buttons); i++) {
        if (strcmp(buttons[i].name, what) != 0)
            continue;
        vterm_mouse_move(v->vt, y, x, VTERM_MOD_NONE);
        vterm_mouse_button(v->vt, buttons[i].button, true, VTERM_MOD_NONE);
        vterm_mouse_button(v->vt, buttons[i].button, false, VTERM_MOD_NONE);
        send_answers(v);
        return true;
    }
    return fail(v, "no such button");
}

static bool sees(struct viewer *v, const char *text)
{
    return strstr(v->text, text);
}

static bool equals(struct viewer *v, const char *text)
{
    return !strcmp(v->text, text);
}

static bool wait_for(struct viewer *v,
                     bool (*holds)(struct viewer *v, const char *text),
                     const char *text)
{
    double until = now() + v->limit;

    do {
        read_screen(v);
        if (holds(v, text))
            return true;
        if (v->fd < 0) {
            return fail(v, "it has ended");
        }
        listen_until(v, until);
    } while (now() < until);
    return fail(v, "not in %.0f s", v->limit);
}

static bool step_see(struct viewer *v, char *arg)
{
    return wait_for(v, sees, arg);
}

static bool step_show(struct viewer *v, char *arg)
{
    FILE *f = fopen(arg, "re");
    char *last;
    size_t n;

    if (!f) {
        return fail(v, "%s", strerror(errno));
    }
    n = fread(v->wanted, 1, sizeof(v->wanted) - 1, f);
    fclose(f);
    v->wanted[n] = '\0';
    last = strstr(v->wanted, "\nstatus ");
    if (last)
        last[1] = '\0';
    return wait_for(v, equals, v->wanted);
}

static bool step_end(struct viewer *v, char *arg)
{
    double until = now() + v->limit;
    int status;

    (void)arg;
    while (v->fd >= 0 && now() < until)
        listen_until(v, until);
    while (waitpid(v->child, &status, WNOHANG) == 0) {
        if (now() > until) {
            return fail(v, "not in %.0f s", v->limit);
        }
        usleep(10000);
    }
    v->child = 0;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return true;
    return fail(v, "with status %#x", (unsigned)status);
}

/* ---- the script --------------------------------------------------------- */

static const struct {
    const char *name;
    bool (*run)(struct viewer *v, char *arg);
    bool quiet;
} steps[] = {
    {"within", step_within, true}, {"size", step_size, false},
    {"keys", step_keys, false},    {"mouse", step_mouse, false},
    {"see", step_see, false},      {"show", step_show, false},
    {"end", step_end, false},
};

static bool do_step(struct viewer *v, char *step)
{
    char whole[LINE_BYTES];
    char *arg = step + strcspn(step, " ");

    snprintf(whole, sizeof(whole), "%s", step);
    if (*arg)
        *arg++ = '\0';
    for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
        if (strcmp(step, steps[i].name) != 0)
            continue;
        if (!steps[i].run(v, arg)) {
            printf("FAIL %s: %s\n", whole, v->why);
            return false;
        }
        if (!steps[i].quiet)
            printf("PASS %s\n", whole);
        return true;
    }
    printf("FAIL %s: no such step\n", whole);
    return false;
}

static bool play(struct viewer *v, FILE *script)
{
    char step[LINE_BYTES];

    while (fgets(step, sizeof(step), script)) {
        step[strcspn(step, "\n")] = '\0';
        if (step[0] && step[0] != '#' && !do_step(v, step)) {
            read_screen(v);
            printf("%s", v->text);
            return false;
        }
    }
    return true;
}

static void start(struct viewer *v, struct winsize size, char **argv)
{
    v->vt = vterm_new(size.ws_row, size.ws_col);
    vterm_set_utf8(v->vt, 1);
    v->screen = vterm_obtain_screen(v->vt);
    vterm_screen_enable_altscreen(v->screen, 1);
    vterm_screen_reset(v->screen, 1);
    v->child = forkpty(&v->fd, NULL, NULL, &size);
    if (v->child < 0) {
        perror("viewer: forkpty");
        exit(EXIT_FAILURE);
    }
    if (v->child == 0) {
        setenv("TERM", "xterm-256color", 1);
        setenv("LC_ALL", "C.UTF-8", 1);
        execvp(argv[0], argv);
        perror(argv[0]);
        _exit(127);
    }
}

int main(int argc, char **argv)
{
    static struct viewer v = {.slower = 1};
    const char *slower = getenv("SLOWER");
    FILE *script = argc > 3 ? fopen(argv[2], "re") : NULL;
    struct winsize size;
    bool played;

    if (!script || !parse_size(argv[1], &size)) {
        fprintf(stderr, "usage: viewer WIDTHxHEIGHT SCRIPT COMMAND...\n");
        return EXIT_FAILURE;
    }
    if (slower && atof(slower) > 0)
        v.slower = atof(slower);
    v.limit = 60 * v.slower;
    signal(SIGPIPE, SIG_IGN);
    start(&v, size, argv + 3);
    played = play(&v, script);
    if (v.child > 0) {
        kill(v.child, SIGTERM);
        waitpid(v.child, NULL, 0);
    }
    vterm_free(v.vt);
    fclose(script);
    return played ? EXIT_SUCCESS : EXIT_FAILURE;
}
