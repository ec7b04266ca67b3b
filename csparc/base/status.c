#include "base/status.h"

static const char *const texts[CS_STATUS_COUNT] = {
#define CS_STATUS(code, exception, text) [code] = text,
#include "base/status.def"
#undef CS_STATUS
};

const char *
cs_status_text(cs_status status)
{
    return (unsigned)status < CS_STATUS_COUNT ? texts[status] : "unknown status";
}
