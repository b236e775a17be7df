#include "tlx_ascii.h"

#define D (TLX_ASCII_DIGIT | TLX_ASCII_HEX)
#define H (TLX_ASCII_LETTER | TLX_ASCII_HEX)
#define L TLX_ASCII_LETTER
#define N TLX_ASCII_NONE
#define SIXTEEN_OF(class)                                                                    \
  class, class, class, class, class, class, class, class, class, class, class, class, class, \
      class, class, class

/* clang-format off */
const unsigned char tlx_ascii_classes[256] = {
  SIXTEEN_OF(0), SIXTEEN_OF(0),
  /* space to / */
  TLX_ASCII_SPACE, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, TLX_ASCII_HYPHEN, 0, 0,
  /* 0 to ? */
  D, D, D, D, D, D, D, D, D, D, 0, 0, 0, 0, 0, 0,
  /* @ to _ */
  0, H, H, H, H, H, H, L, L, L, L, L, L, L, L, L,
  L, L, L, L, L, L, L, L, L, L, L, 0, 0, 0, 0, TLX_ASCII_UNDERSCORE,
  /* ` to DEL */
  0, H, H, H, H, H, H, L, L, L, L, L, L, L, L, L,
  L, L, L, L, L, L, L, L, L, L, L, 0, 0, 0, 0, 0,
  SIXTEEN_OF(N), SIXTEEN_OF(N), SIXTEEN_OF(N), SIXTEEN_OF(N),
  SIXTEEN_OF(N), SIXTEEN_OF(N), SIXTEEN_OF(N), SIXTEEN_OF(N),
};
/* clang-format on */
