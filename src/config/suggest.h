/* config/suggest.h - how far two words are apart, for "did you mean". */
#ifndef PL_CONFIG_SUGGEST_H
#define PL_CONFIG_SUGGEST_H

/* Edits between a and b: insert, delete, change, swap of neighbours; capitals count as small letters. At most `most` + 1, which also
 * stands for words over 128 bytes. */
unsigned pl_edit_distance(const char *a, const char *b, unsigned most);

#endif
