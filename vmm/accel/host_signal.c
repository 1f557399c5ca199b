#include "vmm/accel/host_signal.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/base/log.h"

#define STACK_SIZE (64u * 1024)

static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL};

/*
 * Signal dispositions are the process's, so this state is too: what was
 * installed before us, written once.
 */
static struct sigaction previous[ARRAY_SIZE(signals)];
static int init_error;

static _Thread_local struct host_signal_handler *handlers;

static void pass_on(int sig, siginfo_t *info, void *ucontext)
{
    for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
        struct sigaction *old = &previous[i];

        if (signals[i] != sig)
            continue;
        if (old->sa_flags & SA_SIGINFO) {
            old->sa_sigaction(sig, info, ucontext);
            return;
        }
        if (old->sa_handler != SIG_DFL && old->sa_handler != SIG_IGN) {
            old->sa_handler(sig);
            return;
        }
    }
    /* Returning executes the culprit again, now with the default action. */
    signal(sig, SIG_DFL);
}

static void on_signal(int sig, siginfo_t *info, void *ucontext)
{
    int saved = errno;
    bool done = false;

    for (struct host_signal_handler *h = handlers; h && !done; h = h->next)
        done = h->fn(h->opaque, sig, info, ucontext);
    if (!done)
        pass_on(sig, info, ucontext);
    errno = saved;
}

static void install(void)
{
    struct sigaction sa = {.sa_sigaction = on_signal,
                           .sa_flags = SA_SIGINFO | SA_ONSTACK};

    sigemptyset(&sa.sa_mask);
    for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
        if (sigaction(signals[i], &sa, &previous[i]) < 0)
            init_error = -errno;
}

int host_signal_init(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, install);
    if (init_error)
        log_error("cannot install signal handlers: %s", strerror(-init_error));
    return init_error;
}

static pthread_key_t stack_key;

static void free_stack(void *stack)
{
    stack_t off = {.ss_flags = SS_DISABLE};

    sigaltstack(&off, NULL);
    free(stack);
}

static void make_stack_key(void)
{
    int err = pthread_key_create(&stack_key, free_stack);

    assert(err == 0);
    (void)err;
}

static void give_stack(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    stack_t st;

    if (sigaltstack(NULL, &st) == 0 && !(st.ss_flags & SS_DISABLE))
        return;
    pthread_once(&once, make_stack_key);
    st = (stack_t){.ss_sp = malloc(STACK_SIZE), .ss_size = STACK_SIZE};
    assert(st.ss_sp);
    pthread_setspecific(stack_key, st.ss_sp);
    if (sigaltstack(&st, NULL) < 0)
        log_error("cannot give a thread a signal stack: %s", strerror(errno));
}

void host_signal_add(struct host_signal_handler *h)
{
    give_stack();
    h->next = handlers;
    handlers = h;
}

void host_signal_remove(struct host_signal_handler *h)
{
    struct host_signal_handler **p = &handlers;

    while (*p && *p != h)
        p = &(*p)->next;
    if (*p)
        *p = h->next;
}
