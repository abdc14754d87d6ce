"""Small Python functions, whole and with holes to fill."""

# ruff: noqa: E501, SIM905 - one header is one line, and lists of words read best as text

from __future__ import annotations

import keyword
import re
from dataclasses import dataclass, field
from random import Random

from training import books

# One block a family: names | arguments by role | return type | docstrings | what it does, for requests. Bodies follow, "--" between two.
FAMILIES_TEXT = """
add add_numbers plus sum_two | num num | int | Return the sum of $1 and $2. / Add two numbers. | adds two numbers
return $1 + $2
--
$v = $1 + $2
return $v

subtract minus difference | num num | int | Return $1 minus $2. / Subtract two numbers. | subtracts one number from another
return $1 - $2

multiply times product_of_two | num num | int | Return the product of $1 and $2. / Multiply two numbers. | multiplies two numbers
return $1 * $2
--
$v = $1 * $2
return $v

divide safe_divide quotient | num num | float | Divide $1 by $2. / Return $1 divided by $2. | divides two numbers
if $2 == 0:
    raise ValueError("cannot divide by zero")
return $1 / $2
--
if $2 == 0:
    return None
return $1 / $2

square squared | one | int | Return the square of $1. / Square a number. | squares a number
return $1 * $1
--
return $1 ** 2

cube cubed | one | int | Return the cube of $1. | returns the cube of a number
return $1 ** 3

double twice | one | int | Return $1 times two. / Double a number. | doubles a number
return $1 * 2

is_even even | one | bool | Return True if $1 is even. / Check if a number is even. | checks if a number is even
return $1 % 2 == 0

is_odd odd | one | bool | Return True if $1 is odd. / Check if a number is odd. | checks if a number is odd
return $1 % 2 == 1

is_prime prime check_prime | one | bool | Return True if $1 is a prime number. / Check if a number is prime. | checks if a number is prime
if $1 < 2:
    return False
for $i in range(2, int($1 ** 0.5) + 1):
    if $1 % $i == 0:
        return False
return True

factorial fact compute_factorial | one | int | Return the factorial of $1. / Compute the factorial of a number. | computes the factorial of a number
if $1 <= 1:
    return 1
return $1 * $name($1 - 1)
--
$v = 1
for $i in range(2, $1 + 1):
    $v *= $i
return $v

fibonacci fib | one | int | Return the $1-th Fibonacci number. / Compute a Fibonacci number. | computes the Fibonacci numbers
if $1 < 2:
    return $1
return $name($1 - 1) + $name($1 - 2)
--
a, b = 0, 1
for _ in range($1):
    a, b = b, a + b
return a

fibonacci_list fib_list first_fibonacci | one | list | Return the first $1 Fibonacci numbers. | returns a list of Fibonacci numbers
$v = []
a, b = 0, 1
for _ in range($1):
    $v.append(a)
    a, b = b, a + b
return $v

gcd compute_gcd greatest_common_divisor | num num | int | Compute the greatest common divisor of $1 and $2. / Return the GCD of two numbers. | computes the greatest common divisor
while $2:
    $1, $2 = $2, $1 % $2
return $1
--
if $2 == 0:
    return $1
return $name($2, $1 % $2)

power raise_to | num num | int | Return $1 to the power of $2. | raises a number to a power
return $1 ** $2
--
$v = 1
for _ in range($2):
    $v *= $1
return $v

absolute absolute_value | one | int | Return the absolute value of $1. | returns the absolute value of a number
if $1 < 0:
    return -$1
return $1

maximum larger max_of_two | num num | int | Return the larger of $1 and $2. / Return the bigger number. | returns the larger of two numbers
if $1 > $2:
    return $1
return $2
--
return max($1, $2)

minimum smaller min_of_two | num num | int | Return the smaller of $1 and $2. | returns the smaller of two numbers
if $1 < $2:
    return $1
return $2
--
return min($1, $2)

clamp limit keep_between | num num num | int | Keep $1 between $2 and $3. / Return $1 limited to a range. | clamps a number to a range
return max($2, min($1, $3))
--
if $1 < $2:
    return $2
if $1 > $3:
    return $3
return $1

average mean compute_mean | list | float | Return the average of $1. / Compute the mean of a list of numbers. | computes the average of a list
return sum($1) / len($1)
--
if not $1:
    return 0.0
return sum($1) / len($1)

median compute_median | list | float | Return the median of $1. | computes the median of a list
ordered = sorted($1)
middle = len(ordered) // 2
if len(ordered) % 2:
    return ordered[middle]
return (ordered[middle - 1] + ordered[middle]) / 2

sum_list total add_all | list | int | Return the sum of all $1. / Add up a list of numbers. | sums a list of numbers
$v = 0
for $x in $1:
    $v += $x
return $v
--
return sum($1)

product multiply_all | list | int | Return the product of all $1. | multiplies all numbers in a list
$v = 1
for $x in $1:
    $v *= $x
return $v

find_max largest max_value | list | int | Return the largest of $1. / Find the largest number in a list. | finds the largest number in a list
$v = $1[0]
for $x in $1:
    if $x > $v:
        $v = $x
return $v
--
return max($1)

find_min smallest min_value | list | int | Return the smallest of $1. / Find the smallest number in a list. | finds the smallest number in a list
$v = $1[0]
for $x in $1:
    if $x < $v:
        $v = $x
return $v
--
return min($1)

even_numbers keep_even only_even | list | list | Return the even numbers in $1. / Keep only the even numbers. | returns the even numbers of a list
return [$x for $x in $1 if $x % 2 == 0]
--
$v = []
for $x in $1:
    if $x % 2 == 0:
        $v.append($x)
return $v

odd_numbers keep_odd only_odd | list | list | Return the odd numbers in $1. | returns the odd numbers of a list
return [$x for $x in $1 if $x % 2 == 1]

squares square_all list_of_squares | list | list | Return the squares of $1. / Square every number in a list. | squares every number in a list
return [$x * $x for $x in $1]
--
$v = []
for $x in $1:
    $v.append($x ** 2)
return $v

count_positive positives | list | int | Count the positive numbers in $1. | counts the positive numbers in a list
return sum(1 for $x in $1 if $x > 0)
--
$v = 0
for $x in $1:
    if $x > 0:
        $v += 1
return $v

remove_duplicates unique dedupe | list | list | Remove duplicates from $1 and keep the order. / Return the unique items of a list. | removes duplicates from a list
return list(dict.fromkeys($1))
--
$v = []
for $x in $1:
    if $x not in $v:
        $v.append($x)
return $v

reverse_list reversed_items | list | list | Return $1 in reverse order. / Reverse a list. | reverses a list
return $1[::-1]
--
return list(reversed($1))

sort_list sorted_copy | list | list | Return $1 in ascending order. / Sort a list. | sorts a list
return sorted($1)

sort_descending sort_down | list | list | Return $1 from largest to smallest. | sorts a list in descending order
return sorted($1, reverse=True)

bubble_sort | list | list | Sort $1 with bubble sort. | sorts a list with bubble sort
n = len($1)
for i in range(n):
    for j in range(n - i - 1):
        if $1[j] > $1[j + 1]:
            $1[j], $1[j + 1] = $1[j + 1], $1[j]
return $1

binary_search find_sorted | list one | int | Return the index of $2 in the sorted list $1, or -1. | does a binary search
low, high = 0, len($1) - 1
while low <= high:
    middle = (low + high) // 2
    if $1[middle] == $2:
        return middle
    if $1[middle] < $2:
        low = middle + 1
    else:
        high = middle - 1
return -1

linear_search find_index index_of | list one | int | Return the index of $2 in $1, or -1. / Find a value in a list. | finds the index of a value in a list
for $i, $x in enumerate($1):
    if $x == $2:
        return $i
return -1

count_value count_item | list one | int | Count how often $2 is in $1. | counts how often a value is in a list
$v = 0
for $x in $1:
    if $x == $2:
        $v += 1
return $v
--
return $1.count($2)

flatten flatten_list | nested | list | Flatten a list of lists. / Return the items of all lists in one list. | flattens a list of lists
$v = []
for $x in $1:
    $v.extend($x)
return $v
--
return [y for $x in $1 for y in $x]

chunks split_chunks chunk_list | list one | list | Split $1 into lists of $2 items. | splits a list into chunks
return [$1[$i:$i + $2] for $i in range(0, len($1), $2)]

first_item first head | list | int | Return the first item of $1. | returns the first item of a list
return $1[0]
--
if not $1:
    return None
return $1[0]

last_item last | list | int | Return the last item of $1. | returns the last item of a list
return $1[-1]

reverse_string reverse_text reverse | text | str | Return $1 in reverse order. / Reverse a string. | reverses a string
return $1[::-1]
--
$v = ""
for $c in $1:
    $v = $c + $v
return $v

is_palindrome palindrome | text | bool | Return True if $1 is a palindrome. / Check if a string is a palindrome. | checks if a string is a palindrome
return $1 == $1[::-1]
--
cleaned = $1.lower().replace(" ", "")
return cleaned == cleaned[::-1]

count_vowels vowels | text | int | Count the vowels in $1. / Return the number of vowels. | counts the vowels in a string
return sum(1 for $c in $1.lower() if $c in "aeiou")
--
$v = 0
for $c in $1.lower():
    if $c in "aeiou":
        $v += 1
return $v

count_words number_of_words word_count | text | int | Count the words in $1. / Return the number of words. | counts the words in a string
return len($1.split())
--
$v = $1.split()
return len($v)

remove_vowels without_vowels | text | str | Remove the vowels from $1. | removes the vowels from a string
return "".join($c for $c in $1 if $c.lower() not in "aeiou")
--
$v = ""
for $c in $1:
    if $c.lower() not in "aeiou":
        $v += $c
return $v

remove_non_ascii strip_non_ascii only_ascii | text | str | Remove non-ASCII characters from a string. / Remove all characters that are not ASCII. | removes non-ASCII characters from a string
$v = ""
for $c in $1:
    if ord($c) < 128:
        $v += $c
return $v
--
return "".join($c for $c in $1 if ord($c) < 128)

remove_spaces without_spaces | text | str | Remove the spaces from $1. | removes the spaces from a string
return $1.replace(" ", "")

remove_punctuation strip_punctuation | text | str | Remove punctuation from a string. | removes punctuation from a string
$v = ""
for $c in $1:
    if $c.isalnum() or $c.isspace():
        $v += $c
return $v

remove_digits without_digits | text | str | Remove the digits from a string. | removes the digits from a string
$v = ""
for $c in $1:
    if not $c.isdigit():
        $v += $c
return $v

only_digits keep_digits | text | str | Keep only the digits of a string. | keeps only the digits of a string
$v = ""
for $c in $1:
    if $c.isdigit():
        $v += $c
return $v

capitalize_words title_case | text | str | Capitalize every word in $1. | capitalizes every word in a string
return " ".join(word.capitalize() for word in $1.split())

to_upper shout upper_case | text | str | Return $1 in upper case. / Convert a string to upper case. | converts a string to upper case
return $1.upper()

to_lower lower_case | text | str | Return $1 in lower case. / Convert a string to lower case. | converts a string to lower case
return $1.lower()

count_letter count_char | text letter | int | Count how often $2 is in $1. / Count a letter in a string. | counts a letter in a string
$v = 0
for $c in $1:
    if $c == $2:
        $v += 1
return $v
--
return $1.count($2)

letter_counts count_letters char_frequency | text | dict | Count how often each letter is in $1. / Return a dictionary of letter counts. | counts each letter in a string
$v = {}
for $c in $1:
    $v[$c] = $v.get($c, 0) + 1
return $v

word_counts count_each_word word_frequency | text | dict | Count how often each word is in $1. | counts how often each word is in a text
$v = {}
for word in $1.lower().split():
    $v[word] = $v.get(word, 0) + 1
return $v

longest_word find_longest | words | str | Return the longest of $1. / Find the longest word in a list. | finds the longest word in a list
return max($1, key=len)
--
$v = ""
for word in $1:
    if len(word) > len($v):
        $v = word
return $v

shortest_word find_shortest | words | str | Return the shortest of $1. | finds the shortest word in a list
return min($1, key=len)

join_words join_with_commas | words | str | Join $1 with commas. | joins words with commas
return ", ".join($1)

word_lengths lengths | words | dict | Return the length of each word. | returns the length of each word
return {word: len(word) for word in $1}

first_letters initials | words | str | Return the first letter of each word. | returns the first letter of each word
return "".join(word[0] for word in $1)

is_anagram anagrams | text other | bool | Return True if $1 and $2 are anagrams. / Check if two strings are anagrams. | checks if two strings are anagrams
return sorted($1) == sorted($2)

starts_with_vowel begins_with_vowel | text | bool | Return True if $1 starts with a vowel. | checks if a string starts with a vowel
return $1[0].lower() in "aeiou"

greet say_hello hello | person | str | Return a greeting for $1. / Greet a person by name. | greets a person by name
return f"Hello, {$1}!"
--
return "Hello, " + $1 + "!"

celsius_to_fahrenheit to_fahrenheit | celsius | float | Convert degrees Celsius to Fahrenheit. | converts Celsius to Fahrenheit
return $1 * 9 / 5 + 32

fahrenheit_to_celsius to_celsius | fahrenheit | float | Convert degrees Fahrenheit to Celsius. | converts Fahrenheit to Celsius
return ($1 - 32) * 5 / 9

minutes_to_seconds to_seconds | minutes | int | Convert minutes to seconds. | converts minutes to seconds
return $1 * 60

km_to_miles to_miles | km | float | Convert kilometres to miles. | converts kilometres to miles
return $1 * 0.621371

circle_area area_of_circle | radius | float | Return the area of a circle. / Compute the area of a circle with the given radius. | computes the area of a circle
return 3.14159 * $1 ** 2
--
import math

return math.pi * $1 ** 2

rectangle_area area area_of_rectangle | width height | float | Return the area of a rectangle. | computes the area of a rectangle
return $1 * $2

perimeter rectangle_perimeter | width height | float | Return the perimeter of a rectangle. | computes the perimeter of a rectangle
return 2 * ($1 + $2)

hypotenuse distance | num num | float | Return the length of the hypotenuse. | computes the hypotenuse of a triangle
return ($1 ** 2 + $2 ** 2) ** 0.5

fizzbuzz fizz_buzz | one | list | Return the FizzBuzz words up to $1. | plays FizzBuzz
$v = []
for $i in range(1, $1 + 1):
    if $i % 15 == 0:
        $v.append("FizzBuzz")
    elif $i % 3 == 0:
        $v.append("Fizz")
    elif $i % 5 == 0:
        $v.append("Buzz")
    else:
        $v.append(str($i))
return $v

sum_of_digits digit_sum | one | int | Return the sum of the digits of $1. | sums the digits of a number
return sum(int(digit) for digit in str($1))
--
$v = 0
while $1 > 0:
    $v += $1 % 10
    $1 //= 10
return $v

is_leap_year leap_year | year | bool | Return True if $1 is a leap year. / Check if a year is a leap year. | checks if a year is a leap year
return $1 % 4 == 0 and ($1 % 100 != 0 or $1 % 400 == 0)

countdown count_down | one | None | Print the numbers from $1 down to 1. | counts down
while $1 > 0:
    print($1)
    $1 -= 1
--
for $i in range($1, 0, -1):
    print($i)

print_numbers count_to | one | None | Print the numbers from 1 to $1. | prints the numbers from 1 to n
for $i in range(1, $1 + 1):
    print($i)

sum_to add_up_to | one | int | Return the sum of the numbers from 1 to $1. | sums the numbers from 1 to n
return sum(range(1, $1 + 1))
--
return $1 * ($1 + 1) // 2

multiplication_table times_table | one | list | Return the multiplication table of $1. | makes a multiplication table
return [$1 * $i for $i in range(1, 11)]

divisors find_divisors | one | list | Return the divisors of $1. | finds the divisors of a number
return [$i for $i in range(1, $1 + 1) if $1 % $i == 0]

merge_dicts merge combine | dict dict | dict | Merge two dictionaries. / Return a dictionary with the keys of $1 and $2. | merges two dictionaries
return {**$1, **$2}
--
$v = dict($1)
$v.update($2)
return $v

invert_dict invert swap_keys | dict | dict | Swap the keys and values of $1. | swaps the keys and values of a dictionary
return {value: key for key, value in $1.items()}

print_dict show_items | dict | None | Print each key and value of $1. | prints a dictionary
for key, value in $1.items():
    print(key, value)

sum_values total_of_values | dict | int | Return the sum of the values of $1. | sums the values of a dictionary
return sum($1.values())

max_key key_of_largest | dict | str | Return the key with the largest value. | finds the key with the largest value
return max($1, key=$1.get)

read_file read_text load_text | path | str | Read a text file. / Return the text of a file. | reads a file
with open($1, encoding="utf-8") as file:
    return file.read()

read_lines load_lines | path | list | Read the lines of a file. / Return a list of the lines in a file. | reads the lines of a file
with open($1, encoding="utf-8") as file:
    return file.read().splitlines()
--
$v = []
with open($1, encoding="utf-8") as file:
    for line in file:
        $v.append(line.strip())
return $v

write_file save_text | path text | None | Write $2 to a file. | writes text to a file
with open($1, "w", encoding="utf-8") as file:
    file.write($2)

read_json load_json | path | dict | Read a JSON file. | reads a JSON file
import json

with open($1, encoding="utf-8") as file:
    return json.load(file)

count_lines number_of_lines | path | int | Count the lines of a file. | counts the lines of a file
with open($1, encoding="utf-8") as file:
    return sum(1 for line in file)

read_csv load_table | path | object | Read a CSV file into a DataFrame. | reads a CSV file with pandas
import pandas as pd

return pd.read_csv($1)

roll_dice throw_dice | sides | int | Roll a dice with $1 sides. | rolls a dice
import random

return random.randint(1, $1)

random_choice pick pick_one | list | object | Return a random item of $1. | picks a random item from a list
import random

return random.choice($1)

swap swap_values | num num | tuple | Return $2 and $1. / Swap two values. | swaps two values
return $2, $1

is_positive positive | one | bool | Return True if $1 is greater than zero. | checks if a number is positive
return $1 > 0

in_range is_between | num num num | bool | Return True if $1 is between $2 and $3. | checks if a number is between two others
return $2 <= $1 <= $3

common_items intersection | list list | list | Return the items that are in both lists. | finds the common items of two lists
return [$x for $x in $1 if $x in $2]

truncate shorten | text one | str | Cut $1 after $2 characters. | cuts a string after some characters
if len($1) <= $2:
    return $1
return $1[:$2] + "..."

repeat repeat_text | text one | str | Repeat $1 $2 times. | repeats a string
return $1 * $2

grade letter_grade | score | str | Return the grade for a score. | returns the grade for a score
if $1 >= 90:
    return "A"
if $1 >= 80:
    return "B"
if $1 >= 70:
    return "C"
return "F"

sign sign_of | one | int | Return 1, 0 or -1 for the sign of $1. | returns the sign of a number
if $1 > 0:
    return 1
if $1 < 0:
    return -1
return 0

ask_model ask answer | prompt | str | Ask the model and return its answer. | asks a model with nbinfer
import nbinfer

client = nbinfer.InferenceClient()
return client.text_generation($1)

chat ask_chat | prompt | str | Send one message and return the answer. | sends a chat message with nbinfer
import nbinfer

client = nbinfer.InferenceClient()
messages = [{"role": "user", "content": $1}]
$v = client.chat_completion(messages)
return $v.choices[0].message.content

ping_exponential_backoff wait_for_host | host | None | Ping a host until it answers, and wait longer after each try. | pings a host with exponential backoff
import socket
import time

delay = 1
while True:
    try:
        socket.create_connection(($1, 80), timeout=5)
        return
    except OSError:
        time.sleep(delay)
        delay *= 2
"""

ROLES: dict[str, tuple[str, list[str], str]] = {
    "num": ("int", ["a", "b", "c", "x", "y", "z", "m", "n", "first", "second", "left", "right"], "A number"),
    "one": ("int", ["n", "number", "x", "num", "value", "k"], "A number"),
    "list": ("list", ["numbers", "values", "items", "nums", "data", "lst", "others"], "The list"),
    "nested": ("list", ["lists", "rows", "nested"], "The list of lists"),
    "words": ("list", ["words", "strings", "names", "texts"], "The words"),
    "text": ("str", ["s", "text", "string", "line", "word", "sentence"], "The string"),
    "other": ("str", ["other", "t", "second"], "The other string"),
    "letter": ("str", ["letter", "char", "c"], "The letter"),
    "dict": ("dict", ["d", "table", "mapping", "counts", "first", "second", "a", "b"], "The dictionary"),
    "person": ("str", ["name", "person", "user"], "The name"),
    "path": ("str", ["path", "filename", "file_name"], "The path of the file"),
    "prompt": ("str", ["prompt", "question", "text"], "The prompt"),
    "host": ("str", ["host", "server"], "The host"),
    "celsius": ("float", ["celsius", "c", "degrees"], "Degrees Celsius"),
    "fahrenheit": ("float", ["fahrenheit", "f", "degrees"], "Degrees Fahrenheit"),
    "minutes": ("int", ["minutes", "m"], "The minutes"),
    "km": ("float", ["km", "kilometres"], "Kilometres"),
    "radius": ("float", ["radius", "r"], "The radius"),
    "width": ("float", ["width", "w"], "The width"),
    "height": ("float", ["height", "h"], "The height"),
    "year": ("int", ["year", "y"], "The year"),
    "sides": ("int", ["sides", "faces"], "How many sides the dice has"),
    "score": ("int", ["score", "points"], "The score"),
}  # fmt: skip


# Words that any list, number or text may be called, and parts that a function's own name may have. The words of the
# books join them: only with thousands of names does the model learn to read them instead of expecting those it knows.
# A name for evaluation is never in both.
ARGUMENTS = """amount basket bill box bottle bucket cards cells cities clock coins column counter cups days distance doors drops entries
figures files fruits games goal grades hours height_cm ids index_list inputs kilos labels length letters_in level limit line_text lines marks
message metres minutes_left money names_in nodes notes objects pages pairs parts people phrase points prices pupils quantity query
rate readings records rooms row sample score_list scores seconds seats series shape shelf sizes songs source speed stack states steps
stones stock streets sums table_rows tags target tasks teams temperature terms tests text_in tickets time_left title tokens tools
towns units users vector votes wages weights wheel width_cm word_list years""".split()
BEFORE = ["my", "get", "compute", "do", "new", "the", "make", "calc", "find", "simple"]
AFTER = ["of", "it", "now", "value", "2", "for", "from", "with", "function", "result"]
RESULTS = [
    "result",
    "result",
    "result",
    "total",
    "out",
    "answer",
    "found",
    "res",
    "output",
    "made",
    "kept",
    "all_of_them",
    "acc",
    "final",
]
HELD_OUT_ARGUMENTS = """marbles parcels lanterns kettles payload harvest ledger beads ferry_times pebbles crate oysters tally snippet
melody_text badge fathoms quota orchard ribbons""".split()
HELD_OUT_BEFORE, HELD_OUT_AFTER = ["quick", "our", "plain", "run"], ["helper", "fn", "v3", "here"]
HELD_OUT_RESULTS = ["outcome", "gathered", "wanted", "so_far"]


@dataclass(frozen=True)
class Words:
    """What arguments, results and functions may be called."""

    arguments: list[str]
    results: list[str]
    before: list[str]
    after: list[str]
    usual: float
    """How often the names are those that everyone uses."""
    others: list[str] = field(default_factory=list)
    """Words of any kind, which take the place of the above in two of three cases."""

    def pool(self, own: list[str], rng: Random) -> list[str]:
        """Return where a name is taken from."""
        return self.others if self.others and rng.random() < 0.67 else own


HELD_OUT = {*HELD_OUT_ARGUMENTS, *HELD_OUT_BEFORE, *HELD_OUT_AFTER, *HELD_OUT_RESULTS}
OTHERS = [word for word in books.words() if word not in HELD_OUT and not keyword.iskeyword(word)]
TRAINED = Words(ARGUMENTS, RESULTS, BEFORE, AFTER, usual=0.35, others=OTHERS)
UNSEEN = Words(HELD_OUT_ARGUMENTS, HELD_OUT_RESULTS, HELD_OUT_BEFORE, HELD_OUT_AFTER, usual=0.0)


@dataclass(frozen=True)
class Family:
    """A kind of function: names, argument roles, docstrings and bodies."""

    names: list[str]
    roles: list[str]
    returns: str
    docs: list[str]
    task: str
    bodies: list[str]


@dataclass(frozen=True)
class Function:
    """A function cut into its parts; source joins them."""

    name: str
    head: str
    doc: str
    body: list[str]
    task: str
    arguments: list[str]

    @property
    def source(self) -> str:
        """The whole text of the function."""
        return "\n".join([self.head, *([self.doc] if self.doc else []), *self.body]) + "\n"


def _parse(block: str) -> Family:
    header, body = block.strip().split("\n", 1)
    names, roles, returns, docs, task = (part.strip() for part in header.split("|"))
    return Family(names.split(), roles.split(), returns, docs.split(" / "), task, body.split("\n--\n"))


def families(text: str) -> list[Family]:
    """Read families from their text form."""
    # A blank line inside a body stands after an import; a header is the only line with bars around its fields.
    starts = [match.start() for match in re.finditer(r"^[\w ]+ \| .*$", text, re.MULTILINE)]
    return [_parse(text[start:end]) for start, end in zip(starts, [*starts[1:], len(text)], strict=True)]


FAMILIES = families(FAMILIES_TEXT)


def _arguments(family: Family, words: Words, rng: Random) -> list[str]:
    if rng.random() >= words.usual:
        return rng.sample(words.pool(words.arguments, rng), len(family.roles))
    if family.roles[:2] == ["num", "num"]:
        runs = ["a b c", "x y z", "first second third", "value low high", "m n k", "left right other"]
        return rng.choice(runs).split()[: len(family.roles)]
    chosen: list[str] = []
    for role in family.roles:
        chosen.append(rng.choice([name for name in ROLES[role][1] if name not in chosen]))
    return chosen


def _name(family: Family, words: Words, rng: Random) -> str:
    name = rng.choice(family.names)
    if rng.random() < 0.5 + words.usual / 2:
        return name
    if rng.random() < 0.5:
        return f"{rng.choice(words.pool(words.before, rng))}_{name}"
    return f"{name}_{rng.choice(words.pool(words.after, rng))}"


def _docstring(family: Family, text: str, arguments: list[str], rng: Random) -> str:
    style = rng.random()
    if style < 0.12:
        return ""
    lead = " " if rng.random() < 0.15 else ""
    if style < 0.75:
        return f'    """{lead}{text}"""'
    lines = [f'    """{lead}{text}', "", "    Args:"]
    for role, name in zip(family.roles, arguments, strict=True):
        kind, _, meaning = ROLES[role]
        lines.append(f"        {name} ({kind}): {meaning}.")
    if family.returns != "None":
        lines += ["", "    Returns:", f"        {family.returns}: {_result(text)}"]
    return "\n".join([*lines, '    """'])


def _result(doc: str) -> str:
    rest = doc.removeprefix("Return ") if doc.startswith("Return the") else "the result."
    return rest[0].upper() + rest[1:]


def function(rng: Random, family: Family | None = None, words: Words = TRAINED) -> Function:
    """Return one function with its own names and style."""
    family = family or rng.choice(FAMILIES)
    arguments, name = _arguments(family, words, rng), _name(family, words, rng)
    slots = {str(number): argument for number, argument in enumerate(arguments, 1)} | {"name": name}
    results = words.others if words.others and rng.random() < 0.25 else words.results
    slots["v"] = rng.choice([word for word in results if word not in arguments])
    slots["x"] = rng.choice([word for word in ["x", "item", "value", "element", "number"] if word not in arguments])
    slots["i"] = rng.choice([word for word in ["i", "index", "step"] if word not in arguments])
    slots["c"] = rng.choice([word for word in ["c", "char", "letter", "ch"] if word not in arguments])
    fill = lambda text: re.sub(r"\$(\w)(ame\b)?", lambda found: slots["name" if found[2] else found[1]], text)  # noqa: E731
    typed = rng.random() < 0.5
    parameters = [
        f"{word}: {ROLES[role][0]}" if typed else word for role, word in zip(family.roles, arguments, strict=True)
    ]
    head = f"def {name}({', '.join(parameters)})" + (f" -> {family.returns}:" if typed else ":")
    body = fill(rng.choice(family.bodies)).rstrip().split("\n")
    doc = _docstring(family, fill(rng.choice(family.docs)), arguments, rng)
    return Function(name, head, doc, ["    " + line if line else "" for line in body], family.task, arguments)


def _body_hole(source: str, made: Function, rng: Random) -> tuple[int, int]:
    start = source.index("\n".join(made.body))
    start += 4 if rng.random() < 0.7 else 0
    return start, len(source.rstrip())


def _line_hole(source: str, _made: Function, rng: Random) -> tuple[int, int]:
    lines = [match for match in re.finditer(r"^( *)(\S.*)$", source, re.MULTILINE) if match.start() > 0]
    line = rng.choice(lines)
    return line.start(2 if rng.random() < 0.7 else 1), line.end()


def _lines_hole(source: str, _made: Function, rng: Random) -> tuple[int, int]:
    lines = [match for match in re.finditer(r"^( *)(\S.*)$", source, re.MULTILINE) if match.start() > 0]
    first = rng.randrange(len(lines))
    last = min(len(lines) - 1, first + rng.randint(1, 3))
    return lines[first].start(2), lines[last].end()


def _doc_hole(source: str, made: Function, rng: Random) -> tuple[int, int]:
    marks = list(re.finditer(r'"""', source))
    if not marks:
        return _line_hole(source, made, rng)
    start, end = marks[0].end(), marks[1].start()
    if source[start] == " ":
        start += 1
    if rng.random() < 0.3:
        return marks[0].start(), marks[1].end()
    return start, len(source[:end].rstrip())


def _doc_and_body_hole(source: str, made: Function, rng: Random) -> tuple[int, int]:
    # The gap that Code Llama's own example shows: from inside the docstring up to the last line.
    mark, last = source.find('"""'), source.rstrip().rfind("\n")
    if mark < 0 or last <= source.find('"""', mark + 3):
        return _body_hole(source, made, rng)
    start = mark + 3 + (1 if source[mark + 3] == " " else 0)
    return start, last


def _expression_hole(source: str, made: Function, rng: Random) -> tuple[int, int]:
    pattern = r"(?<=return )\S.*$|(?<= = )\S.*$|(?<=\+= )\S.*$|(?<=\bif )[^:\n]+|(?<= in )[^:\n]+|(?<=\()[^()\n]+(?=\))"
    found = list(re.finditer(pattern, source, re.MULTILINE))
    return rng.choice(found).span() if found else _line_hole(source, made, rng)


def _name_hole(source: str, made: Function, rng: Random) -> tuple[int, int]:
    start = 4 if rng.random() < 0.5 else 4 + len(made.name)
    return start, source.index(":\n")


def _any_hole(source: str, _made: Function, rng: Random) -> tuple[int, int]:
    start = rng.randrange(5, len(source) - 3)
    end = rng.randint(start + 1, min(len(source) - 1, start + 60))
    return start, max(start + 1, len(source[:end].rstrip()))


HOLES = [_body_hole, _body_hole, _line_hole, _lines_hole, _doc_hole, _doc_hole, _doc_and_body_hole, _expression_hole, _expression_hole, _name_hole, _any_hole]  # fmt: skip


def holed(rng: Random, family: Family | None = None, words: Words = TRAINED) -> tuple[Function, tuple[str, str, str]]:
    """Return a function, and it cut into what stands before a hole, in it, and after it."""
    made = function(rng, family, words)
    source = made.source if rng.random() < 0.6 else made.source.rstrip("\n")
    start, end = rng.choice(HOLES)(source, made, rng)
    return made, (source[:start], source[start:end], source[end:])


def infill(rng: Random, family: Family | None = None) -> str:
    """Return a function with a hole, in Code Llama's infill format, ending with its marker <EOT>."""
    _, (prefix, middle, suffix) = holed(rng, family)
    if rng.random() < 0.75:
        return f"<PRE> {prefix} <SUF>{suffix} <MID>{middle}<EOT>"
    return f"<PRE> <SUF>{suffix} <MID> {prefix}{middle}<EOT>"


def code(rng: Random) -> str:
    """Return one or two functions as plain code."""
    made = [function(rng) for _ in range(rng.choice([1, 1, 1, 2]))]
    text = "\n\n".join(one.source for one in made)
    if rng.random() < 0.15:
        text = f"# A function that {made[0].task}.\n{text}"
    return text
