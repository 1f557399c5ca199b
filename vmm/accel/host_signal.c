#include "vmm/accel/host_signal.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/base/log.h"

#define STACK_SIZE 65536u

static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL};

/*
 * Signal dispositions are the process's, so this state is too: what was
 * installed before us.
 */
static struct sigaction previous[ARRAY_SIZE(signals)];

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
    /* Returning executes the culprit again, now with the default action; what
     * was sent has none. */
    signal(sig, SIG_DFL);
    if (info->si_code <= 0)
        raise(sig);
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

/* Puts our handler in front of what is installed for SIG now. */
static int install(int sig, struct sigaction *old)
{
    struct sigaction sa = {.sa_sigaction = on_signal,
                           .sa_flags = SA_SIGINFO | SA_ONSTACK};
    struct sigaction now;

    if (sigaction(sig, NULL, &now) < 0)
        return -errno;
    if ((now.sa_flags & SA_SIGINFO) && now.sa_sigaction == on_signal)
        return 0;
    *old = now;
    sigemptyset(&sa.sa_mask);
    return sigaction(sig, &sa, NULL) < 0 ? -errno : 0;
}

int host_signal_init(void)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    int err = 0;

    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < ARRAY_SIZE(signals) && err == 0; i++)
        err = install(signals[i], &previous[i]);
    pthread_mutex_unlock(&lock);
    if (err)
        log_error("cannot install signal handlers: %s", strerror(-err));
    return err;
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
