/* Words that completion offers for positional arguments. */
#ifndef CLI_OFFER_H
#define CLI_OFFER_H

#include "base/vec.h"

void offer_components(struct strvec *ret_words);
void offer_shells(struct strvec *ret_words);
void offer_commands(struct strvec *ret_words);

#endif
