/*
 * Types to a guest as a person would: waits for a text, answers with another.
 *
 *   typist [-p] [-o TRANSCRIPT] SCRIPT COMMAND [ARG...]
 *
 * COMMAND runs on a pseudo-terminal of 80x25, or with -p on pipes.  What it
 * prints goes to TRANSCRIPT (or standard output) without terminal control
 * sequences and carriage returns, and that is also what is waited for.  SCRIPT
 * has one step a line:
 *
 *   within SECONDS    the limit for each wait from here on; 30 at first
 *   expect TEXT       wait until TEXT has been printed since the last wait
 *   see TEXT          wait until a row of the terminal's screen shows TEXT; for
 *                     programs that draw only what changed, in any order
 *   send TEXT         type TEXT and Enter
 *   key TEXT          type TEXT alone; \r \n \e \\ and \xHH are known
 *   pause SECONDS     wait, whatever is printed
 *   eof               no more input (pipes only)
 *   # ...             a comment
 *
 * SLOWER=N in the environment makes every limit N times as long.
 *
 * After the last step COMMAND has the same limit to end.  Status: COMMAND's,
 * or 124 if a wait was in vain (standard error says which), 125 for an error
 * here, 128 + N if signal N ended COMMAND.
 *
 * Not an expect: no patterns, no branches.  Not a terminal: of the control
 * sequences only CUP and ED are obeyed (ECMA-48 8.3.21, 8.3.39), and what is
 * not ASCII is a question mark on the screen.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define STATUS_TIMEOUT 124
#define STATUS_FAILED  125
#define SEEN_BYTES     (1u << 16)
#define LINE_BYTES     512
#define ROWS           25
#define COLUMNS        80

/* Where in a terminal control sequence the output is. */
enum escape { ESCAPE_NONE, ESCAPE_STARTED, ESCAPE_CSI, ESCAPE_CHARSET };

struct typist {
    pid_t child;
    int to, from; /* -1: closed */
    FILE *transcript;
    enum escape escape;
    unsigned params[2], nparams; /* of a CSI; others are dropped */
    unsigned row, col;           /* of the cursor; col may be COLUMNS */
    char screen[ROWS][COLUMNS + 1];
    double slower; /* all limits times this */
    double limit;
    size_t used;
    char seen[SEEN_BYTES + 1]; /* printed since the last wait; ends in 0 */
};

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void die(const char *what)
{
    fprintf(stderr, "typist: %s: %s\n", what, strerror(errno));
    exit(STATUS_FAILED);
}

/* ---- the screen ---------------------------------------------------------- */

static void clear_screen(struct typist *t)
{
    memset(t->screen, 0, sizeof(t->screen));
    for (unsigned row = 0; row < ROWS; row++) {
        memset(t->screen[row], ' ', COLUMNS);
    }
}

static void new_line(struct typist *t)
{
    if (t->row < ROWS - 1) {
        t->row++;
        return;
    }
    memmove(t->screen[0], t->screen[1], (ROWS - 1) * sizeof(t->screen[0]));
    memset(t->screen[ROWS - 1], ' ', COLUMNS);
}

static void put_cell(struct typist *t, char c)
{
    if (t->col == COLUMNS) {
        t->col = 0;
        new_line(t);
    }
    t->screen[t->row][t->col++] = c;
}

static void to_screen(struct typist *t, char c)
{
    unsigned byte = (unsigned char)c;

    if (c == '\r') {
        t->col = 0;
    } else if (c == '\n') {
        new_line(t);
    } else if (c == '\b') {
        t->col -= t->col > 0;
    } else if (byte >= 0xc0) { /* the first byte of several, UTF-8 */
        put_cell(t, '?');
    } else if (byte >= ' ' && byte < 0x7f) {
        put_cell(t, c);
    }
}

static void end_csi(struct typist *t, char final)
{
    unsigned row = t->params[0], col = t->params[1];

    if (final == 'H') {
        t->row = row > 0 ? row - 1 : 0;
        t->col = col > 0 ? col - 1 : 0;
        t->row = t->row < ROWS ? t->row : ROWS - 1;
        t->col = t->col < COLUMNS ? t->col : COLUMNS - 1;
    } else if (final == 'J' && row == 2) {
        clear_screen(t);
    }
}

static void csi_param(struct typist *t, char c)
{
    if (c == ';') {
        t->nparams++;
    } else if (c >= '0' && c <= '9' && t->nparams < 2) {
        unsigned *p = &t->params[t->nparams];

        *p = (*p * 10 + (unsigned)(c - '0')) % 10000;
    }
}

static bool on_screen(const struct typist *t, const char *text)
{
    for (unsigned row = 0; row < ROWS; row++) {
        if (strstr(t->screen[row], text)) {
            return true;
        }
    }
    return false;
}

/* ---- what is printed ----------------------------------------------------- */

/* Is C for people, or part of a control sequence (ECMA-48)? */
static bool printable(struct typist *t, char c)
{
    switch (t->escape) {
    case ESCAPE_STARTED:
        t->params[0] = t->params[1] = t->nparams = 0;
        t->escape = c == '['                           ? ESCAPE_CSI
                    : c == '(' || c == ')' || c == '#' ? ESCAPE_CHARSET
                                                       : ESCAPE_NONE;
        return false;
    case ESCAPE_CSI:
        if (c >= '@' && c <= '~') {
            t->escape = ESCAPE_NONE;
            end_csi(t, c);
        } else {
            csi_param(t, c);
        }
        return false;
    case ESCAPE_CHARSET:
        t->escape = ESCAPE_NONE;
        return false;
    case ESCAPE_NONE:
        break;
    }
    if (c == '\033') {
        t->escape = ESCAPE_STARTED;
        return false;
    }
    to_screen(t, c);
    return c != '\r' && c != '\0';
}

static void take(struct typist *t, const char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!printable(t, bytes[i])) {
            continue;
        }
        fputc(bytes[i], t->transcript);
        if (t->used == SEEN_BYTES) { /* forget the older half */
            memmove(t->seen, t->seen + SEEN_BYTES / 2, SEEN_BYTES / 2);
            t->used = SEEN_BYTES / 2;
        }
        t->seen[t->used++] = bytes[i];
        t->seen[t->used] = 0;
    }
    fflush(t->transcript);
}

/* Reads what comes until UNTIL, or once.  False: there will be no more. */
static bool listen_until(struct typist *t, double until)
{
    struct pollfd p = {.fd = t->from, .events = POLLIN};
    double left = until - now();
    char bytes[4096];

    if (t->from < 0) {
        return false;
    }
    if (poll(&p, 1, left > 0 ? (int)(left * 1000) + 1 : 0) <= 0) {
        return true;
    }
    ssize_t n = read(t->from, bytes, sizeof(bytes));

    if (n <= 0) { /* a terminal's other end says EIO when it is closed */
        close(t->from);
        t->from = -1;
        return false;
    }
    take(t, bytes, (size_t)n);
    return true;
}

/* False: not seen, and why has been said. */
static bool expect(struct typist *t, const char *text, int line)
{
    double until = now() + t->limit;

    for (;;) {
        char *found = strstr(t->seen, text);

        if (found) {
            size_t gone = (size_t)(found - t->seen) + strlen(text);

            memmove(t->seen, t->seen + gone, t->used - gone + 1);
            t->used -= gone;
            return true;
        }
        if (!listen_until(t, until)) {
            fprintf(stderr, "typist: line %d: ended without \"%s\"\n", line,
                    text);
            return false;
        }
        if (now() > until) {
            fprintf(stderr, "typist: line %d: no \"%s\" in %.0f s\n", line,
                    text, t->limit);
            return false;
        }
    }
}

/* Like expect(), of the screen; what was printed until then is forgotten. */
static bool see(struct typist *t, const char *text, int line)
{
    double until = now() + t->limit;

    while (!on_screen(t, text)) {
        if (!listen_until(t, until)) {
            fprintf(stderr, "typist: line %d: ended without \"%s\"\n", line,
                    text);
            return false;
        }
        if (now() > until) {
            fprintf(stderr, "typist: line %d: did not see \"%s\" in %.0f s\n",
                    line, text, t->limit);
            return false;
        }
    }
    t->used = 0;
    t->seen[0] = 0;
    return true;
}

static void pause_for(struct typist *t, double seconds)
{
    double until = now() + seconds;

    while (now() < until && listen_until(t, until)) {
    }
}

static void type(struct typist *t, const char *bytes, size_t n)
{
    while (n) {
        ssize_t done = write(t->to, bytes, n);

        if (done < 0 && errno != EINTR && errno != EAGAIN) {
            return; /* it has ended: the next wait will say so */
        }
        if (done > 0) {
            bytes += done;
            n -= (size_t)done;
        }
    }
}

static size_t unescape(const char *in, char *out)
{
    size_t n = 0;
    unsigned hex;

    for (; *in; in++) {
        char c = *in;

        if (c == '\\' && in[1]) {
            c = *++in;
            if (c == 'x' && sscanf(in + 1, "%2x", &hex) == 1) {
                c = (char)hex;
                in += 2;
            } else {
                c = c == 'r' ? '\r' : c == 'n' ? '\n' : c == 'e' ? '\033' : c;
            }
        }
        out[n++] = c;
    }
    return n;
}

static bool do_step(struct typist *t, char *step, int line)
{
    char *arg = step + strcspn(step, " ");
    char keys[LINE_BYTES];
    size_t n;

    if (*arg) {
        *arg++ = 0;
    }
    if (!strcmp(step, "expect")) {
        return expect(t, arg, line);
    }
    if (!strcmp(step, "see")) {
        return see(t, arg, line);
    }
    if (!strcmp(step, "send")) {
        type(t, arg, strlen(arg));
        type(t, "\r", 1);
    } else if (!strcmp(step, "key")) {
        n = unescape(arg, keys);
        type(t, keys, n);
    } else if (!strcmp(step, "within")) {
        t->limit = atof(arg) * t->slower;
    } else if (!strcmp(step, "pause")) {
        pause_for(t, atof(arg));
    } else if (!strcmp(step, "eof")) {
        close(t->to);
    } else {
        fprintf(stderr, "typist: line %d: unknown step \"%s\"\n", line, step);
        return false;
    }
    return true;
}

static bool play(struct typist *t, FILE *script)
{
    char step[LINE_BYTES];

    for (int line = 1; fgets(step, sizeof(step), script); line++) {
        step[strcspn(step, "\n")] = 0;
        if (step[0] && step[0] != '#' && !do_step(t, step, line)) {
            return false;
        }
    }
    return true;
}

static void start(struct typist *t, bool pipes, char **argv)
{
    struct winsize size = {.ws_row = ROWS, .ws_col = COLUMNS};
    int in[2], out[2];

    if (!pipes) {
        t->child = forkpty(&t->to, NULL, NULL, &size);
        t->from = t->to;
    } else {
        if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC)) {
            die("pipe");
        }
        t->child = fork();
        t->to = in[1];
        t->from = out[0];
    }
    if (t->child < 0) {
        die("fork");
    }
    if (t->child == 0) {
        if (pipes) {
            dup2(in[0], 0);
            dup2(out[1], 1);
            dup2(out[1], 2);
        }
        execvp(argv[0], argv);
        die(argv[0]);
    }
    if (pipes) {
        close(in[0]);
        close(out[1]);
    }
}

/* Waits for COMMAND's end; its status, or STATUS_TIMEOUT. */
static int finish(struct typist *t, bool played)
{
    double until = now() + (played ? t->limit : 0);
    int status;

    while (listen_until(t, until) && now() < until) {
    }
    while (waitpid(t->child, &status, WNOHANG) == 0) {
        if (now() > until) {
            if (played) {
                fprintf(stderr, "typist: it did not end in %.0f s\n", t->limit);
            }
            kill(t->child, SIGTERM);
            pause_for(t, 1);
            kill(t->child, SIGKILL);
            waitpid(t->child, &status, 0);
            return STATUS_TIMEOUT;
        }
        usleep(10000);
    }
    if (!played) {
        fprintf(stderr, "typist: its status was %d\n",
                WIFEXITED(status) ? WEXITSTATUS(status)
                                  : 128 + WTERMSIG(status));
        return STATUS_TIMEOUT;
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int main(int argc, char **argv)
{
    static struct typist t = {.limit = 30, .slower = 1};
    const char *slower = getenv("SLOWER");
    bool pipes = false;
    int opt;

    t.transcript = stdout;
    if (slower && atof(slower) > 0) {
        t.slower = atof(slower);
        t.limit *= t.slower;
    }
    while ((opt = getopt(argc, argv, "+po:")) != -1) {
        if (opt == 'p') {
            pipes = true;
        } else if (opt == 'o') {
            t.transcript = fopen(optarg, "w");
            if (!t.transcript) {
                die(optarg);
            }
        } else {
            return STATUS_FAILED;
        }
    }
    if (argc - optind < 2) {
        fprintf(stderr, "usage: typist [-p] [-o FILE] SCRIPT COMMAND...\n");
        return STATUS_FAILED;
    }
    FILE *script = fopen(argv[optind], "r");

    if (!script) {
        die(argv[optind]);
    }
    signal(SIGPIPE, SIG_IGN);
    clear_screen(&t);
    start(&t, pipes, argv + optind + 1);
    return finish(&t, play(&t, script));
}
