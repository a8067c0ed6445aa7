/* Type one cell of text: integers, dates, timestamps and times in canonical spelling (rule 5), and the modes of rule 6. */
#include "lt.h"

#include <math.h>

static inline int digit(uint8_t c) { return (uint8_t)(c - '0') <= 9; }

/* Read digits only, at most 19; 0 where there is something else. */
static inline int digits_value(const uint8_t *at, size_t length, const uint8_t *end, uint64_t *value) {
  uint64_t sum = 0;
#if !LT_BIG_ENDIAN
  if (length <= 8 && end - at >= 8) { /* shift the text to the end of the word, zeros before it */
    uint64_t w;
    memcpy(&w, at, 8);
    unsigned empty = 8 * (8 - (unsigned)length);
    if (empty) w = w << empty | 0x3030303030303030u >> (64 - empty);
    if (!lt_eight_digits(w)) return 0;
    *value = lt_value_of_eight(w);
    return 1;
  }
  for (; length >= 8; at += 8, length -= 8) {
    uint64_t w;
    memcpy(&w, at, 8);
    if (!lt_eight_digits(w)) return 0;
    sum = sum * 100000000u + lt_value_of_eight(w);
  }
#else
  (void)end;
#endif
  for (size_t i = 0; i < length; i++) {
    if (!digit(at[i])) return 0;
    sum = sum * 10 + (uint64_t)(at[i] - '0');
  }
  *value = sum;
  return 1;
}

static inline int two(const uint8_t *at) {
  return digit(at[0]) && digit(at[1]) ? (at[0] - '0') * 10 + at[1] - '0' : -1;
}

/* Days since 1970-01-01 of a valid date in the proleptic Gregorian calendar, years 1 to 9999. */
static int date_at(const uint8_t *at, int64_t *days) {
  static const uint8_t longest[13] = {0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  static const uint16_t before[13] = {0, 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
  int high = two(at), low = two(at + 2), month = two(at + 5), day = two(at + 8);
  if (at[4] != '-' || at[7] != '-' || high < 0 || low < 0 || month < 1 || month > 12 || day < 1) return 0;
  int year = high * 100 + low, leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
  if (year == 0 || day > longest[month] + (month == 2 && leap)) return 0;
  int past = year - 1;
  *days = (int64_t)past * 365 + past / 4 - past / 100 + past / 400 + before[month] + (month > 2 && leap) + day - 1 - 719162;
  return 1;
}

/* HH:MM:SS and up to 9 digits of a fraction; returns how long it is, or 0. */
static size_t time_at(const uint8_t *at, size_t length, int64_t *seconds, int64_t *ns) {
  if (length < 8 || at[2] != ':' || at[5] != ':') return 0;
  int hour = two(at), minute = two(at + 3), second = two(at + 6);
  if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59) return 0;
  *seconds = hour * 3600 + minute * 60 + second;
  *ns = 0;
  if (length == 8 || at[8] != '.') return 8;
  size_t i = 9;
  int64_t fraction = 0;
  for (; i < length && i < 18 && digit(at[i]); i++) fraction = fraction * 10 + (at[i] - '0');
  if (i == 9 || (i < length && digit(at[i]))) return 0;
  for (size_t k = i; k < 18; k++) fraction *= 10;
  *ns = fraction;
  return i;
}

/* Give a moment the finest of ns and µs in which it fits int64 exactly; T_TEXT where none does. */
static int moment(int64_t seconds, int64_t ns, int zoned, uint64_t *value) {
  i128 all = (i128)seconds * 1000000000 + ns;
  if (all >= INT64_MIN && all <= INT64_MAX) {
    *value = (uint64_t)(int64_t)all;
    return zoned ? T_TZ_NS : T_TS_NS;
  }
  if (ns % 1000) return T_TEXT;
  *value = (uint64_t)(seconds * 1000000 + ns / 1000);
  return zoned ? T_TZ_US : T_TS_US;
}

static int moment_cell(const uint8_t *at, size_t length, uint64_t *value) {
  int64_t days, seconds, ns, shift = 0;
  if (length == 10) return date_at(at, &days) ? moment(days * 86400, 0, 0, value) : T_TEXT;
  if (length < 19 || (at[10] != ' ' && at[10] != 'T')) return T_TEXT;
  size_t used = time_at(at + 11, length - 11, &seconds, &ns);
  if (!used || !date_at(at, &days)) return T_TEXT;
  const uint8_t *zone = at + 11 + used;
  size_t rest = length - 11 - used;
  if (rest > 0 && !(rest == 1 && zone[0] == 'Z')) {
    int hours = rest >= 3 ? two(zone + 1) : -1, minutes = 0;
    if ((zone[0] != '+' && zone[0] != '-') || hours < 0 || hours > 23) return T_TEXT;
    if (rest == 5) minutes = two(zone + 3);
    else if (rest == 6 && zone[3] == ':') minutes = two(zone + 4);
    else if (rest != 3) return T_TEXT;
    if (minutes < 0 || minutes > 59) return T_TEXT;
    shift = (hours * 3600 + minutes * 60) * (zone[0] == '-' ? -1 : 1);
  }
  return moment(days * 86400 + seconds - shift, ns, rest > 0, value);
}

/* A canonical integer: 0, or at most 19 digits that don't begin with 0, within int64. */
static inline int integer_cell(const uint8_t *at, size_t length, const uint8_t *end, uint64_t *value) {
  int negative = at[0] == '-';
  const uint8_t *from = at + negative;
  size_t places = length - (size_t)negative;
  if (places == 0 || places > 19) return 0;
  if (from[0] == '0') {
    if (places > 1 || negative) return 0;
    *value = 0;
    return 1;
  }
  uint64_t size;
  if (!digits_value(from, places, end, &size) || size > (uint64_t)INT64_MAX + (uint64_t)negative) return 0;
  *value = negative ? 0 - size : size;
  return 1;
}

int lt_text_cell(const uint8_t *at, size_t length, const uint8_t *end, uint64_t *value) {
  if (length == 0) return T_NULL;
  uint8_t first = at[0];
  if (first != '-' && !digit(first)) return T_TEXT;
  if (length > 35) return T_TEXT;
  if (length <= 20 && integer_cell(at, length, end, value)) return T_INT;
  if (length >= 10 && at[4] == '-') return moment_cell(at, length, value);
  if (length >= 8 && at[2] == ':') {
    int64_t seconds, ns;
    if (time_at(at, length, &seconds, &ns) != length) return T_TEXT;
    *value = (uint64_t)(seconds * 1000000000 + ns);
    return T_TIME_NS;
  }
  return T_TEXT;
}

int lt_null_spelling(const uint8_t *at, size_t length) {
  switch (length) {
    case 0: return 1;
    case 2: return at[0] == 'N' && at[1] == 'A';
    case 3: return !memcmp(at, "N/A", 3) || !memcmp(at, "NaN", 3) || !memcmp(at, "nan", 3);
    case 4: return !memcmp(at, "NULL", 4) || !memcmp(at, "null", 4) || !memcmp(at, "None", 4) || !memcmp(at, "#N/A", 4);
    default: return 0;
  }
}

static int infinity_at(const uint8_t *at, size_t length) {
  if (length == 3) return !memcmp(at, "inf", 3) || !memcmp(at, "Inf", 3) || !memcmp(at, "INF", 3);
  if (length == 8) return !memcmp(at, "infinity", 8) || !memcmp(at, "Infinity", 8) || !memcmp(at, "INFINITY", 8);
  return 0;
}

/* Read a decimal numeral (rule 6): 1 where it has digits only, 2 where it has a point, an exponent or is infinite. */
int lt_numeral(const uint8_t *at, size_t length, double *value) {
  const uint8_t *p = at, *end = at + length;
  int negative = length > 0 && *p == '-';
  p += negative;
  if (end - p > 2 && end - p <= 20 && digit(*p) && (*p != '0' || p[1] == '.')) { /* most have a point, and 19 digits at most */
    uint64_t sum = 0;
    const uint8_t *q = p;
    for (; q < end && digit(*q); q++) sum = sum * 10 + (uint64_t)(*q - '0');
    if (q < end && *q == '.') {
      const uint8_t *fraction = ++q;
#if !LT_BIG_ENDIAN
      for (; end - q >= 8; q += 8) {
        uint64_t w;
        memcpy(&w, q, 8);
        if (!lt_eight_digits(w)) break;
        sum = sum * 100000000u + lt_value_of_eight(w);
      }
#endif
      for (; q < end && digit(*q); q++) sum = sum * 10 + (uint64_t)(*q - '0');
      if (q == end) {
        double x = lt_nearest(sum, -(int)(end - fraction));
        *value = negative ? -x : x;
        return 2;
      }
    }
  }
  if (p == end) return 0;
  if (!digit(*p) && *p != '.') {
    if (!infinity_at(p, (size_t)(end - p))) return 0;
    *value = negative ? -INFINITY : INFINITY;
    return 2;
  }
  if (*p == '0' && end - p > 1 && digit(p[1])) return 0; /* a leading zero */
  uint64_t digits = 0;
  int64_t exponent = 0, zeros = 0; /* zeros: seen since the last other digit, not yet in `digits` */
  int significant = 0, seen = 0, fraction = 0, point = 0;
  for (; p < end; p++) {
    if (digit(*p)) {
      seen = 1;
      exponent -= point;
      if (*p == '0') {
        if (significant) zeros++;
      } else {
        if (significant + zeros + 1 > 19) return 0;
        for (significant += (int)zeros; zeros; zeros--) digits *= 10;
        digits = digits * 10 + (uint64_t)(*p - '0');
        significant++;
      }
    } else if (*p == '.' && !point) {
      point = fraction = 1;
    } else {
      break;
    }
  }
  if (!seen) return 0;
  exponent += zeros; /* trailing zeros are not among the digits */
  if (p < end) {
    if (*p != 'e' && *p != 'E') return 0;
    fraction = 1;
    p++;
    int below = p < end && *p == '-';
    if (p < end && (*p == '-' || *p == '+')) p++;
    if (p == end) return 0;
    int64_t power = 0;
    for (; p < end; p++) {
      if (!digit(*p)) return 0;
      if (power < 1000000000000) power = power * 10 + (*p - '0');
    }
    exponent += below ? -power : power;
  }
  double x = digits == 0 || exponent < -400 ? 0.0 : exponent > 400 ? INFINITY : lt_nearest(digits, (int)exponent);
  if (x > 1.7976931348623157e308) return 0;
  *value = negative ? -x : x;
  return fraction ? 2 : 1;
}

/* Tell what a cell of a column of a text file is, as bits S_...; none for nothing. */
unsigned lt_kind(const uint8_t *at, size_t length, const uint8_t *end) {
  if (lt_null_spelling(at, length)) return 0;
  uint64_t whole;
  double x;
  if (at[0] == '-' || digit(at[0])) {
    if (length <= 20 && integer_cell(at, length, end, &whole)) {
      int64_t i = (int64_t)whole;
      return i >= -(1ll << 53) && i <= 1ll << 53 ? S_INT : S_BIG;
    }
  }
  switch (lt_numeral(at, length, &x)) {
    case 1: return S_BIG;
    case 2: return S_FRACTION;
    default: break;
  }
  if (length == 4) {
    if (!memcmp(at, "true", 4)) return S_LOWER;
    if (!memcmp(at, "True", 4)) return S_TITLE;
    if (!memcmp(at, "TRUE", 4)) return S_UPPER;
  } else if (length == 5) {
    if (!memcmp(at, "false", 5)) return S_LOWER;
    if (!memcmp(at, "False", 5)) return S_TITLE;
    if (!memcmp(at, "FALSE", 5)) return S_UPPER;
  }
  return S_OTHER;
}
