/* config/cidr.h - address lists in options: codec/cidr.h, under the name that option tables include. */
#ifndef PL_CONFIG_CIDR_H
#define PL_CONFIG_CIDR_H

#include "codec/cidr.h"

#endif
