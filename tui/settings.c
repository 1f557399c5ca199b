/* What a person has chosen: panes and colours, and where that is kept. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tui/folders.h"
#include "tui/screen.h"

static bool save_layout(struct screen *sc, struct strbuf *out)
{
    FILE *file;

    if (!sc->layout_path)
        return command_fail(out,
                            "layout: no file to save to; --layout names one");
    folders_make_above(sc->layout_path);
    file = fopen(sc->layout_path, "we");
    if (!file) {
        strbuf_printf(out, "layout: cannot write %s: %s\n", sc->layout_path,
                      strerror(errno));
        return false;
    }
    layout_write(sc, file);
    fclose(file);
    strbuf_printf(out, "saved in %s\n", sc->layout_path);
    return true;
}

static void load_layout(struct screen *sc)
{
    FILE *file = sc->layout_path ? fopen(sc->layout_path, "re") : NULL;
    int line;

    if (!file)
        return; /* nothing has been saved yet */
    line = layout_read(sc, file);
    fclose(file);
    if (line)
        screen_say(sc, true,
                   "line %d is wrong; the panes are the usual ones: %s", line,
                   sc->layout_path);
}

static bool set_layout(struct screen *sc, int argc, char **argv,
                       struct strbuf *out)
{
    const char *what = argc > 1 ? argv[1] : "", *on = argc > 2 ? argv[2] : "";

    if (strcmp(what, "save") == 0)
        return save_layout(sc, out);
    if (strcmp(what, "reset") == 0) {
        layout_reset(sc);
        return true;
    }
    if (strcmp(what, "follow") == 0 &&
        (strcmp(on, "on") == 0 || strcmp(on, "off") == 0)) {
        sc->follow.off = strcmp(on, "off") == 0;
        return true;
    }
    if (strcmp(what, "auto") == 0)
        return layout_pin(sc, LAYOUTS, out);
    if (layout_find(what) < LAYOUTS)
        return layout_pin(sc, layout_find(what), out);
    if (what[0])
        return command_fail(out,
                            "layout: large, medium, small, tiny, auto, save, "
                            "reset, follow on, follow off");
    layout_list(sc, sc->layout_at, out);
    strbuf_printf(out, "follow %s\n", sc->follow.off ? "off" : "on");
    return true;
}

static bool set_theme(struct screen *sc, int argc, char **argv,
                      struct strbuf *out)
{
    const struct theme *t = argc > 1 ? theme_find(argv[1]) : NULL;

    if (argc < 2) {
        theme_list(sc->theme, out);
        return true;
    }
    if (!t)
        return command_fail(out, "theme: dark, light or mono");
    sc->theme = t;
    sc->term.ops->set_theme(&sc->term, t);
    return true;
}

bool settings_command(void *opaque, struct command_ctx *ctx, int argc,
                      char **argv, struct strbuf *out)
{
    static const struct {
        const char *name;
        bool (*run)(struct screen *sc, int argc, char **argv,
                    struct strbuf *out);
    } rows[] = {{"layout", set_layout}, {"theme", set_theme}};

    (void)ctx;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if (strcmp(rows[i].name, argv[0]) == 0)
            return rows[i].run(opaque, argc, argv, out);
    return false;
}

void settings_load(struct screen *sc, const struct screen_config *cfg)
{
    sc->theme = theme_find(cfg->theme ? cfg->theme : "dark");
    sc->term.ops->set_theme(&sc->term, sc->theme);
    sc->layout_path = cfg->layout;
    load_layout(sc);
    sc->past = recall_open(cfg->history);
}
