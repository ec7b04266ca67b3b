/* What a function that can fail returns. CS_OK is 0; status.def has the texts and the exceptions of
 * Python that the others become. */
#ifndef CS_STATUS_H
#define CS_STATUS_H

typedef enum {
#define CS_STATUS(code, exception, text) code,
#include "base/status.def"
#undef CS_STATUS
    CS_STATUS_COUNT
} cs_status;

const char *cs_status_text(cs_status status);

/* Propagate a failure to the caller. */
#define CS_TRY(call)                    \
    do {                                \
        cs_status try_status_ = (call); \
        if (try_status_ != CS_OK)       \
            return try_status_;         \
    } while (0)

#endif
