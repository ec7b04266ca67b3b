/* Sizes that cannot wrap around: a product or a sum that a size_t does not hold is SIZE_MAX, which
 * no memory has. With a factor 0 a product is 0 whatever the others are. */
#ifndef CS_SIZE_H
#define CS_SIZE_H

#include <stddef.h>
#include <stdint.h>

static inline size_t
cs_size_times(size_t a, size_t b)
{
    size_t product;
    return __builtin_mul_overflow(a, b, &product) ? SIZE_MAX : product;
}

static inline size_t
cs_size_plus(size_t a, size_t b)
{
    return a > SIZE_MAX - b ? SIZE_MAX : a + b;
}

static inline size_t
cs_size_product(size_t count, const size_t *factors)
{
    size_t product = 1;
    for (size_t i = 0; i < count; i++)
        product = cs_size_times(product, factors[i]);
    return product;
}

/* The product of any number of factors. */
#define CS_SIZE(...)                                                    \
    cs_size_product(sizeof((const size_t[]){__VA_ARGS__}) / sizeof(size_t), \
                    (const size_t[]){__VA_ARGS__})

#endif
