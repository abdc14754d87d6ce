"""Simple children's stories, put together from plots and words."""

# ruff: noqa: E501 - templates read best unbroken

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from training.words import ADJECTIVES, ANIMALS, COLOURS, FOODS, PLACES, THINGS, TRAITS, expand, name_and_kind, pronouns

# Each plot starts after the introduction of the hero {H} and ends before the closing line. {F} is the friend.
PLOTS: dict[str, str] = {
    "a lost thing": """[One morning|One day], {H} [could not find|lost] {his} {colour} {thing}. {He} looked under the bed and behind the door, but the {thing} was [gone|not there|nowhere to be seen]. {H} [began to cry|felt very sad].
"[What is wrong|Why are you sad]?" asked {F} the {friend}.
"I lost my {thing}," said {H}. "[I love it so much|It was a present from my grandmother]."
"[Do not worry|Don't be sad]," said {F}. "[We will look for it together|I will help you find it]."
They looked [in the grass|near the pond] and [under the old tree|behind the big rock]. At last {F} saw something {colour} [in the mud|in a bush|under a leaf]. [It was the {thing}!|"Look! Here it is!" {fhe} called.]
{H} was so [happy|glad] that {he} hugged {F}. "Thank you! [You are a good friend|You are the best friend in the world]," {he} said. From then on, {H} [always put the {thing} in a safe place|took good care of the {thing}].""",
    "sharing food": """{H} loved {food} more than anything. One day, {he} had a [big basket|whole plate|large bag] of {food}. [{He} wanted to eat it all|"This is all for me," {he} said].
Then {F} the {friend} came by. {F} looked [hungry|thin and tired]. "[May I have some {food}|Could I have a little {food}], please?" {fhe} asked.
{H} [thought about it|looked at the {food}]. {He} did not want to share. But {F} looked so sad that {H} felt [bad|sorry].
"[Come and sit with me|Sit down]," said {H}. "We can share."
They ate the {food} together [under a tree|in the warm sun], and they [laughed and told jokes|talked until the sun went down]. {H} was surprised. The {food} tasted [even better|much better] with a friend.
The next day, {F} came back with [a {thing}|a small {colour} {thing}] for {H}. "[This is for you|I made this for you], because you were kind," {fhe} said.""",
    "being afraid of the dark": """{H} had one [problem|secret]. {He} was afraid of the dark. Every night {he} saw [strange shapes|big shadows] on the wall.
One night there was a [soft|funny|strange] noise. Tap, tap, tap. {H} hid under the blanket. "[Who is there|Is it a monster]?" {he} [whispered|asked].
"It is only me," said a [small|tiny] voice. It was {F} the {friend}. "[I could not sleep|I am afraid of the dark too]," said {F}.
{H} was not alone any more. {He} found a {thing} and a little lamp, and they made [funny shapes|shadow animals] on the wall. One shadow looked like a [rabbit|bird]. Another one looked like a [big fish|dragon with a hat].
They laughed and laughed. "[The dark is not so bad|The dark can be fun]," said {H}.
Soon they both fell asleep. After that night, {H} was [not afraid any more|never afraid of the dark again].""",
    "learning to swim": """All the others could swim, but {H} could not. {He} [sat by the water|stood on the shore] and watched them. "[I will never learn it|The water is too deep for me]," {he} said.
{F} the {friend} [heard this|came over]. "[I was afraid too|I could not swim at first]," said {F}. "[Let us try together|I will show you how]."
On the first day, {H} only put {his} feet in the water. It was [cold|very cold]! On the second day, {he} went in up to {his} [neck|belly]. On the third day, {he} [kicked and splashed|tried to float], and {F} held {him}.
"[Do not let go|Please hold me]!" cried {H}.
"I let go [long ago|a minute ago]," laughed {F}. "You are swimming!"
It was true. {H} was swimming [all alone|by {himself}]! {He} swam to the {thing} that floated on the water and back again. Everyone [cheered|clapped]. {H} was very proud.""",
    "a storm": """One evening, dark clouds came over the {place}. The wind [blew hard|howled] and the rain began to fall. There was a [loud|great] crash of thunder.
{H} ran home and shut the door. [Then {he} heard a knock|Soon there was a knock at the door]. Outside stood {F} the {friend}, [wet and cold|shaking with cold].
"[My home is full of water|The wind broke my roof]," said {F}. "May I come in?"
"[Of course|Yes, come in]!" said {H}. {He} gave {F} a warm blanket and some hot {food}. They sat by the fire and [told stories|sang songs] while the storm [roared|went on] outside.
In the morning the sky was [blue|clear] again. {H} took a {thing} and went with {F} to [mend the house|clean up the house]. They worked all day. In the evening the house was [as good as new|dry and warm].
"[How can I thank you|You saved me]?" said {F}.
"[That is what friends are for|You would do the same for me]," said {H} with a smile.""",
    "a treasure map": """One day, {H} found an old map inside a {thing}. There was a red cross on it. "[A treasure map|It shows a treasure]!" {he} [cried|shouted].
{H} ran to {his} friend {F} the {friend}. "[Do you want to come with me|Will you help me find the treasure]?" {he} asked. {F} [jumped up|nodded] at once.
They walked [past the mill|over the bridge] and [through the tall grass|up the long hill]. They counted their steps: one, two, three. At last they came to a [big old tree|large grey rock].
"[Here it is|This is the place]," said {F}. They began to dig. They dug and dug until they hit something hard. It was a [small chest|wooden box]!
Inside there was no gold. There was only [a bag of seeds|a book of stories] and a note. The note said, "[The best treasure is a friend|You found this together, and that is the real treasure]."
{H} looked at {F} and smiled. They [planted the seeds near the {place}|read the stories all summer long] and were very happy.""",
    "a birthday surprise": """It was {H}'s birthday, but nobody [said a word|said "Happy birthday"]. {H} walked to {F} the {friend}. "[Do you know what day it is|Is today a special day]?" {he} asked.
"[It is just a normal day|I do not know]," said {F}, and {fhe} [hurried away|quickly shut the door].
{H} felt [sad|lonely]. {He} walked [slowly|all alone] through the {place}. "[Everybody forgot me|No one thinks of me]," {he} thought.
In the evening {he} went home. It was dark inside. {H} opened the door, and [suddenly|all at once] the lights came on.
"Surprise!" shouted {F} and all the friends. There were [balloons|flags] on the wall and a big cake with {food}. There was also a present in {colour} paper. {H} opened it. It was a {thing}!
"[We wanted to surprise you|We did not forget you]," said {F}.
{H} laughed and cried at the same time. It was the best birthday [ever|of all].""",
    "a magic seed": """One day, {H} found a [tiny|strange] {colour} seed next to a {thing}. "[I wonder what will grow|What can it be]?" {he} said, and {he} put it into the ground.
Every day {H} gave it water. Every day {he} looked, but nothing [happened|grew].
"[Throw it away|It is only a stone]," said {F} the {friend}. "[It will never grow|You are wasting your time]."
But {H} [did not give up|was patient]. "[Good things need time|I will wait a little longer]," {he} said.
One morning there was a small green leaf. [The next day|The day after] there was a stem, and soon there was a flower as big as a [house|wagon]. It smelled like {food}, and it glowed at night like a lamp.
Everyone came to the {place} to see it. "[I am sorry|I was wrong]," said {F}. "May I help you to water it?"
"Yes," said {H}. So they took care of the flower together.""",
    "a race": """One day there was a big race near the {place}. {F} the {friend} was very fast. "[I will win|Nobody can beat me]," said {F}. "You are [much too slow|too small], {H}."
{H} [did not get angry|only smiled]. "[I will do my best|Let us see]," {he} said.
One, two, three, go! {F} ran so fast that {H} could only see dust. [Half way|Soon] {F} looked back and saw no one. "[I have time for a nap|I can rest a little]," {fhe} thought, and {fhe} lay down next to a {thing} and [fell asleep|closed {fhis} eyes].
{H} went on, step by step. {He} was tired and hot, but {he} did not stop. {He} went past the sleeping {friend} and [crossed the line|came to the end].
Everyone cheered. {F} woke up and ran, but it was too late.
"[You were better than me today|Well done]," said {F}. "[I should not have boasted|I learned something]."
{H} won some {food}, and {he} shared it with {F}.""",
    "helping an old woman": """One cold day, {H} met an old woman on the road. She carried a heavy [sack|basket], and she walked very slowly.
"[May I help you|Let me carry that for you]," said {H}.
"[How kind you are|Thank you, dear]," said the old woman. They walked together to her little house at the end of the {place}.
There {H} swept the floor and brought wood for the fire. {F} the {friend} came too and [washed the cups|fed the hens].
In the evening the old woman gave them a small {thing}. "[It does not look like much|It is old]," she said, "but when you are in trouble, [hold it tight|hold it and think of me]."
On the way home, {H} and {F} lost their way in the fog. {H} held the {thing}, and it began to [shine|glow] like a star. The light showed them the path.
"[She must be a fairy|It was magic]," whispered {F}. {H} looked back, but the little house was gone.""",
    "telling the truth": """One day, {H} was playing [inside the house|near the window]. {He} threw {his} {thing} up high, and crash! It hit the {colour} vase, and the vase [broke|fell into pieces].
{H} was afraid. "[Mother will be angry|What shall I do now]?" {he} thought. {He} hid the pieces [under the bed|behind the sofa].
"[Who broke my vase|Where is my vase]?" asked {his} mother.
{H} looked at the floor. "[The cat did it|I do not know]," {he} said. But {his} tummy felt bad, and {he} could not eat {his} {food}.
{F} the {friend} said, "[Tell her the truth|You will feel better if you say it]."
So {H} went to {his} mother. "I broke the vase," {he} said. "[I am sorry|I am so sorry that I lied]."
{His} mother hugged {him}. "[A vase is only a thing|I am glad that you told me]," she said. "The truth is more important."
Together they [glued the pieces|mended the vase], and {H} felt light again.""",
    "a strange noise": """One night, {H} heard a strange noise. Boom, boom, boom! It came from the {place}. "[What is that|Did you hear that]?" {he} asked {F} the {friend}.
"[It is a giant|Maybe it is a monster]," said {F}, and {fhe} [shook|shivered].
"[Let us go and see|We must find out]," said {H}. They took a lamp and walked on their toes. The noise got louder and louder. Boom, boom, boom!
Behind a [tree|wall] sat a small [mouse|bird] with a {thing}. It was hitting the {thing} with a stick.
"[What are you doing|Why are you making so much noise]?" asked {H}.
"[I am making music|I want to play in a band]," said the little one, "but nobody wants to play with me."
{H} and {F} laughed. "We will play with you!" they said. {H} [whistled|sang] and {F} danced. They made music until the [sun came up|stars went out].
Now there is a band in the {place}, and everyone comes to listen.""",
    "crossing a river": """{H} and {F} the {friend} wanted to visit {H}'s grandmother on the other side of the river. But the bridge was [broken|gone].
"[What shall we do now|How can we get across]?" asked {F}.
"[I can jump|Let us jump]," said {F}, but the river was too wide. "[Let us swim|We could swim]," said {F}, but the water was too fast.
{H} sat down and [thought hard|thought for a while]. Then {he} saw an old [log|tree] on the ground. "[We can make a bridge|I have an idea]!" {he} said.
They pushed and pulled. It was hard work. They tied the log with a rope and put a {thing} under it so that it would not roll. At last the log lay across the water.
Step by step they walked over it. {F} was [afraid|a little afraid], but {H} held {fhis} hand.
Grandmother was [so happy|very glad] to see them. She gave them warm {food} and said, "[You are so clever|What a good idea that was]."
""",
    "a kite in a tree": """It was a windy day. {H} made a {colour} kite and ran with it [up the hill|across the field]. The kite went up, up, up into the sky. Then the wind turned, and the kite [got stuck|landed] in a tall tree.
"[Oh no|My kite]!" cried {H}. {He} pulled the string, but the kite did not move. {He} threw a {thing} at it, but the {thing} got stuck as well.
{F} the {friend} came by. "[I can help|Let me try]," said {F}. {F} climbed up, branch by branch. The tree [shook|swayed] in the wind.
"[Be careful|Please do not fall]!" called {H}.
{F} reached the kite and let it go. Then {fhe} threw down the {thing} too. {H} caught it and laughed.
"Now it is your turn," said {H}, and {he} gave the string to {F}. They flew the kite together until [it got dark|it was time for supper].""",
    "making soup": """{H} was hungry, but there was only one [potato|onion] in the kitchen. "[That is not enough for a soup|I cannot make a soup from this]," {he} said.
Then {he} had an idea. {He} put a big pot of water in the middle of the {place} and dropped a {thing} into it.
"What are you doing?" asked {F} the {friend}.
"I am making {thing} soup," said {H}. "[It is very good|It is almost ready]. It only needs a carrot."
"[I have a carrot|I can bring a carrot]!" said {F}. Soon others came. One brought {food}, and one brought salt. Another one brought beans and corn.
{H} stirred the pot, and it smelled [wonderful|so good]. Everyone got a bowl.
"[What a soup|This is the best soup]," said {F}, "and it is made from a {thing}!"
{H} smiled. "[It is made by all of us|A soup is best when everyone gives a little]," {he} said.""",
    "reaching the moon": """{H} looked at the moon every night. "[I want to touch it|I want to go there]," {he} said.
"[That is too far away|Nobody can do that]," said {F} the {friend}.
First, {H} climbed the highest tree. But the moon was still far away. Then {he} stood on a {thing} on top of the hill. But the moon was [still too high|no closer]. {H} even jumped, and {he} fell down on {his} [nose|back].
{H} sat by the water and [sighed|felt sad]. Then {F} said, "Look down!"
There, in the water, was the moon, round and bright. {H} put {his} hand into the water and touched it very [gently|softly]. The moon [shook|danced] and smiled.
"I touched the moon!" said {H}.
"[You did|And I saw it]," said {F}. They sat there together for a long time and looked at the two moons.""",
    "a lost baby bird": """One spring morning, {H} heard a soft sound. Peep, peep! A baby bird sat on the ground next to a {thing}. It had fallen out of its nest.
"[You poor thing|Do not be afraid]," said {H}. {He} looked up. The nest was high in the tree, and {H} could not reach it.
{H} called {F} the {friend}. "[Can you help me|We must bring it back to its mother]," {he} said.
{F} brought a ladder. {H} put the baby bird into {his} hat and climbed up, very slowly. {F} held the ladder [with both hands|so that it did not shake].
In the nest there were two more baby birds. {H} put the little one next to them. The mother bird came with a worm and sang a [happy|sweet] song.
Every morning after that, the birds sang at {H}'s window. "[They say thank you|That is a song for you]," said {F}.""",
    "a snow day": """When {H} woke up, everything was white. It had snowed all night! {H} put on {his} [warm coat|scarf and boots] and ran outside.
"[Let us build a snowman|Let us make the biggest snowman]," {he} said to {F} the {friend}.
They rolled three big balls of snow. For the nose they took a carrot. For the eyes they took two [stones|buttons]. {H} put a {thing} on the snowman's [head|arm].
"[He looks cold|He needs a friend]," said {F}. So they made a second snowman with a {colour} scarf.
That night, {H} looked out of the window. The snowmen were dancing in the moonlight! {H} [rubbed {his} eyes|could not believe it].
In the morning the snowmen stood still again, but the {thing} was now on the other snowman. {H} and {F} looked at each other and laughed. They ate hot {food} and kept the secret.""",
    "a new friend": """A new family came to the {place}. {H} saw {F} the {friend}, who sat all alone on the steps with a {thing}.
"[I do not know {fhim}|{F} looks different]," thought {H}. {He} was too shy to say hello.
The next day it was the same. {F} sat alone, and {H} [watched from far away|hid behind a tree].
On the third day {H} took a deep breath. {He} walked up to {F}. "Hello, I am {H}," {he} said. "[What do you have there|What is that]?"
"[It is my {thing}|This is my {thing}]," said {F}. "I brought it from my old home. [Do you want to see it|Would you like to try it]?"
They played all afternoon. {F} showed {H} a game from far away, and {H} showed {F} the best place to find {food}.
"[I was afraid that nobody would talk to me|I was so lonely]," said {F}.
"[And I was afraid to talk to you|I was shy too]," said {H}, and they both laughed.""",
    "one wish": """One day, {H} found an old {thing} in the grass. {He} rubbed it clean, and pop! A tiny fairy came out.
"[You set me free|Thank you for waking me]," said the fairy. "You may have one wish."
{H} thought and thought. "[I could wish for gold|I could be a king]," {he} said. "Or I could wish for a mountain of {food}."
Then {he} saw {F} the {friend}. {F} had a hurt leg and could not [run|walk] any more. {F} sat at the window every day.
"[I know my wish|I have it]," said {H}. "I wish that {F} can run again."
The fairy [smiled|waved her wand], and there was a flash of {colour} light. {F} stood up, took one step, and then {fhe} ran and jumped!
"You gave your only wish away," said the fairy. "[That was very kind|You have a good heart]."
"[I have a friend to play with|That is all I need]," said {H}, and {he} ran after {F}.""",
    "a painting": """{H} wanted to paint a picture, but {he} had only one colour. It was {colour}. {He} painted a {colour} house, a {colour} sun and a {colour} {thing}.
"[A sun is not {colour}|That looks wrong]," said {F} the {friend}, and {fhe} laughed.
{H} was sad and put the brush away. But in the night {he} dreamed of a {colour} world, and it was [beautiful|wonderful].
The next day {he} painted the dream on a big wall in the {place}. There were {colour} trees, {colour} fish and {colour} stars.
People stopped and looked. "[How beautiful|I have never seen such a picture]," they said.
{F} came too and looked for a long time. "[I am sorry that I laughed|I was wrong]," said {F}. "Will you teach me to paint?"
{H} gave {F} a brush. "[There is no wrong colour|You can paint what you dream]," {he} said.""",
    "a boat trip": """{H} and {F} the {friend} built a small boat. They took some {food} and a {thing} with them and sailed away.
The sun was warm, and the water was [blue|calm]. But [at noon|after a while] a big wave came and pushed them far out. "[I cannot see the land|Where are we]?" cried {F}.
"[Stay calm|Do not be afraid]," said {H}. {He} held up the {thing} so that somebody could see it.
A great whale came up next to the boat. "[Are you lost, little ones|Do you need help]?" asked the whale with a deep voice.
"Yes, please," said {H}. "[We want to go home|Can you bring us back to the {place}]?"
The whale pushed the boat with its big nose, all the way back. {H} gave the whale a [song|kiss] and half of the {food}.
"[We will sail again|Tomorrow we go again]," said {F}, "but [not so far|only near the shore]."
""",
    "boasting": """{H} had a new {thing}. It was {colour} and shiny. "[My {thing} is the best in the world|Nobody has a {thing} like mine]," {he} told everyone.
"[May I hold it|Can I try it]?" asked {F} the {friend}.
"No!" said {H}. "[You will break it|It is only for me]."
{H} showed the {thing} to all the others, but nobody could touch it. Soon nobody [came to play|wanted to play] with {him}. {H} sat alone with the {thing}, and it was [boring|no fun at all].
One day, {H} saw {F} and the others. They had only an old [box|stick], but they laughed and laughed. {H} went to them. "[May I play with you|I was not nice]," {he} said in a small voice. "You can all play with my {thing}."
{F} [smiled|took {his} hand]. "Come," {fhe} said. That day they all played together, and the {thing} got a scratch. But {H} [did not mind|was happier than ever].""",
    "cleaning up": """The {place} was full of [rubbish|old paper and cans]. "[Somebody should clean it|This is terrible]," said {F} the {friend}.
"[We can do it|Let us begin]," said {H}. {He} took a big bag and picked up the first piece.
"It is too much for two," said {F}. But {fhe} helped anyway. They found a bottle, [a broken chair|an old shoe] and even a {thing}.
A little girl stopped to look. "[What are you doing|May I help]?" she asked, and she [took a bag|began to help]. Then her brother came, and then the baker, and then the teacher. In the evening there were so many helpers that nobody could count them.
The {place} was clean again. {H} washed the {thing} and put flowers into it.
"[One small step is enough to begin|You only have to start]," said {H}. They ate {food} together on the clean grass.""",
    "a lonely monster": """Everybody said that a monster lived near the {place}. "[It eats children|It has teeth like knives]," said {F} the {friend}. "Never go there!"
But {H} was [curious|brave]. One day {he} heard somebody cry. {He} went closer and closer. There sat a big {colour} monster with a {thing} in its hand.
"[Why are you crying|What is wrong]?" asked {H}.
"[Everybody runs away from me|Nobody wants to be my friend]," said the monster. "I only want to play."
{H} sat down next to it. "[I will play with you|I am not afraid of you]," {he} said. They played hide and seek. The monster was very bad at hiding, because it was so big.
{H} brought the monster home. At first {F} hid behind a chair. But the monster said hello very politely and gave {F} the {thing}.
"[It is quite nice|It is not so bad]," said {F}. Soon the monster had many friends, and it [cooked {food}|danced] for all of them.""",
    "a message in a bottle": """One day, {H} found a bottle in the water. There was a letter inside. {H} opened it and read: "[I am all alone on an island|Please come and visit me]. I have a {thing}, but nobody to share it with."
"[We must find the one who wrote this|Somebody needs a friend]," said {H} to {F} the {friend}.
"But [how|where]?" asked {F}. "The sea is so big."
They wrote an answer and put it into the bottle. "[Look for our {colour} flag|Come to the {place}]," they wrote. Then they waited. One week went by, and then [another|two].
One morning a little boat came. In it sat a small [turtle|monkey] with a {thing}. "[I got your letter|Are you my new friends]?" it asked.
"Yes!" shouted {H} and {F}. They had a feast with {food}, and the little one never had to be alone again.""",
    "learning an instrument": """{H} wanted to play the drum, but {he} had no drum. So {he} took a {thing} and hit it with two spoons. Bing, bang, bong!
"[Stop that noise|My ears hurt]!" cried {F} the {friend}.
{H} went away and practised in the {place}, where nobody could hear {him}. {He} practised in the morning, and {he} practised in the evening. Slowly the noise turned into [music|a song].
Then came the summer feast. The band was ready, but the drummer was [ill|not there]. "[Who can help us|What shall we do]?" asked the leader.
"I can play," said {H} [quietly|in a small voice]. {He} took {his} {thing} and began. Bing, bang, bong! Everybody started to [dance|clap].
{F} danced most of all. "[You are wonderful|I did not know that you are so good]," said {F}. "How did you learn it?"
"[I practised every day|A little every day]," said {H}.""",
    "going to market": """{His} mother gave {H} a [coin|silver coin] and said, "Go to the market and buy {food}."
On the way, {H} met {F} the {friend}, who was crying. "[I lost my money|I have no money]," said {F}, "and my little sister is hungry."
{H} gave {F} the coin. But what should {he} bring home now? {He} had only an old {thing}. {H} [sat down|stood] in the market and called, "Who wants a good {thing}?"
A man stopped. "[I need a {thing}|That is just what I am looking for]!" he said, and he gave {H} two coins for it.
{H} bought {food} with one coin, and {he} brought the other one home. "[How did you do that|Where does this coin come from]?" asked {his} mother. {H} told her everything.
"[You have a good heart and a clever head|I am proud of you]," she said.""",
}

ENDINGS = [
    "The end.", "And they lived happily ever after.", "From that day on, {H} and {F} were best friends.",
    "That night, {H} went to bed with a smile.", "It was a [wonderful|perfect] day.", "And so {H} learned that it is good to [be kind|have friends|help others].",
    "{H} never forgot that day.", "And if you go there today, you can still see them [playing|laughing] together.",
    "{H} could not wait for the next day.", "Then they went home, tired and happy.",
]  # fmt: skip

# What comes before the hero is named; True when the hero must come next as "a little fox named Finn".
OPENINGS = [
    "Once upon a time, there was", "Once upon a time, there lived", "Once upon a time, {at_place}, there lived", "There once was",
    "Long ago, there was", "A long time ago, {at_place}, there lived", "Long, long ago, there lived", "Once there was",
    "Far away, {at_place}, there lived", "In a land far away, there was", "{At_place}, there lived", "Not so long ago, there was",
    "Once upon a time, in a land far away, there lived", "Many years ago, there lived", "This is the story of", "Let me tell you about",
    "It was a [cold|sunny|rainy|windy|quiet] [morning|day|evening], and {at_place} lived", "It was a dark and stormy night, and {at_place} lived",
]  # fmt: skip
TURNS = [
    "In a surprising turn of events, ", "In a strange turn of events, ", "One day, ", "One sunny morning, ", "Early in the morning, ",
    "On a rainy day, ", "Yesterday, ", "Last summer, ", "Last night, ", "It was late at night when ", "Suddenly, ", "At the end of the day, ",
    "On the first day of [spring|summer|winter], ", "When the sun came up, ", "Nobody knew why, but ", "To everyone's surprise, ",
]  # fmt: skip
TURN_CLAUSES = [
    "a {trait} {animal} named {H} came to live {at_place}.", "{H} the {animal} woke up {at_place}.", "{H}, a {trait} {animal}, went for a long walk.",
    "a [little|young|small] {animal} named {H} found {himself} {at_place}.", "{H} the {animal} decided to go on an adventure.",
    "{H} the {animal} became the most famous {animal} in the land.", "{H}, a {trait} little {animal}, opened the door and looked outside.",
    "the {animal} who lived {at_place} got a new name. The name was {H}.",
]  # fmt: skip
ABOUT = [
    "{H} was very {trait}.", "{H} was {trait}, but sometimes a little {trait2}.", "Everyone called {him} {trait} {H}.",
    "{H} was small but very {trait}.", "{He} liked to [sing|dance|read|climb|draw|sleep|explore|play].", "{His} favourite food was {food}.",
    "{His} best friend was {F} the {friend}.", "{He} lived {at_place} with {his} [family|mother|grandfather].", "Every day {he} [helped|played with] {F} the {friend}.",
    "{H} had a {adj} {thing} that {he} loved very much.",
]  # fmt: skip
# What a hero is known for, when it comes before the name.
WHO = [
    "loved {food}", "lived {at_place}", "liked to [sing|dance|read|climb|draw|sleep|explore]", "wanted to see the world", "could never sit still",
    "had a {adj} {thing}", "dreamed of the sea", "always told the truth", "was afraid of nothing", "was afraid of [the dark|loud noises|spiders]", "talked to the stars",
    "had never seen {colour} snow", "had no friends yet", "could not find {his} {thing}", "wanted a {colour} {thing}", "wore a {colour} hat", "was very {trait}",
]  # fmt: skip


@dataclass(frozen=True)
class Wish:
    """What a story is asked to hold; what is empty is free."""

    slots: dict[str, str] = field(default_factory=dict)
    plot: str = ""
    opening: str = ""


def cast(rng: Random, wish: Wish) -> dict[str, str]:
    """Pick who and what a story is about."""
    (hero, kind), (friend, friend_kind) = name_and_kind(rng), name_and_kind(rng)
    while friend == hero:
        friend, friend_kind = name_and_kind(rng)
    place = wish.slots.get("place", rng.choice(list(PLACES)))
    species, friend_species = rng.sample(ANIMALS, 2)
    if rng.random() < 0.35:
        species = kind
    if friend_species == wish.slots.get("animal"):
        friend_species = "cat" if friend_species != "cat" else "dog"
    slots = {
        "H": hero,
        "F": friend,
        "animal": species,
        "friend": friend_species,
        "place": place,
        "at_place": PLACES[place],
    }
    slots |= pronouns(kind) | pronouns(friend_kind, "f") | {"himself": "herself" if kind == "girl" else "himself"}
    slots |= {
        "thing": rng.choice(THINGS),
        "food": rng.choice(FOODS),
        "colour": rng.choice(COLOURS),
        "adj": rng.choice(ADJECTIVES),
    }
    slots["trait"], slots["trait2"] = rng.sample(TRAITS, 2)
    slots |= wish.slots
    slots["At_place"] = slots["at_place"][0].upper() + slots["at_place"][1:]
    return slots


def _introduction(rng: Random, wish: Wish, slots: dict[str, str]) -> str:
    if wish.opening or rng.random() < 0.2:
        return (wish.opening or rng.choice(TURNS)) + rng.choice(TURN_CLAUSES)
    size = rng.choice(
        ["little", "small", "young", "{trait}", "{trait} little", "{trait} young", "{trait} and {trait2}"]
    )
    named = rng.choice(["named", "called", "whose name was"])
    start = rng.random()
    if start < 0.2:
        return f"{rng.choice([*OPENINGS, 'There was'])} a {size} {slots['animal']} who {rng.choice(WHO)}. {{His}} name was {{H}}."
    if start < 0.3:
        return f"{rng.choice(['A', 'A', 'One day a', 'Every day a'])} {size} {slots['animal']} {named} {{H}} sat {{at_place}}."
    return f"{rng.choice(OPENINGS)} a {size} {slots['animal']} {named} {{H}}."


def story(rng: Random, wish: Wish = Wish()) -> tuple[str, dict[str, str]]:
    """Return a story that honours the wish, and who and what is in it."""
    slots = cast(rng, wish)
    plot = PLOTS[wish.plot or rng.choice(list(PLOTS))]
    first = _introduction(rng, wish, slots)
    about = rng.sample(ABOUT[:-1], rng.choice([0, 1, 1, 2]))
    if "{place}" not in plot + first and "{at_place}" not in first + "".join(about):
        about.append("{He} lived {at_place}.")
    if "{thing}" not in plot or rng.random() < 0.1:
        about.append(ABOUT[-1])
    closing = rng.choice(ENDINGS) if rng.random() < 0.8 else ""
    text = "\n".join([" ".join([first, *about]), plot.strip(), closing])
    return join_paragraphs(expand(text, slots, rng), rng.choice(["\n\n", "\n\n", "\n", " "])), slots


def join_paragraphs(text: str, separator: str) -> str:
    """Put lines together as paragraphs."""
    return separator.join(line.strip() for line in text.split("\n") if line.strip())


SHORT = [
    "{H} the {animal} found a {adj} {thing}. {He} gave it to {F} the {friend}, who was very happy. They played with it all day.",
    "{At_place} lived a {trait} {animal} named {H}. One day {he} lost {his} {thing}, but {F} the {friend} found it. {H} shared {his} {food} with {F}.",
    "{H} was a {animal} who was afraid of a {thing}. {F} the {friend} showed {him} that it was only a {thing}. Then {H} laughed and was not afraid any more.",
    "A {trait} {animal} named {H} wanted to fly. {F} the {friend} gave {him} a {colour} {thing}. They did not fly, but they laughed a lot.",
    "{H} the {animal} planted a {colour} seed. It grew into a tree full of {food}. {H} and {F} the {friend} ate until they were full.",
    "It was raining {at_place}. {H} the {animal} made a roof from a {thing}, and {F} the {friend} sat down next to {him}. They listened to the rain together.",
    "{F} the {friend} was sad. {H} the {animal} brought {fhim} a {thing} and some {food}. Soon {F} smiled again.",
]  # fmt: skip


def short_story(rng: Random, wish: Wish = Wish()) -> tuple[str, dict[str, str]]:
    """Return a story of three sentences."""
    slots = cast(rng, wish)
    wanted = [
        template for template in SHORT if all("{" + key + "}" in template for key in wish.slots if key != "at_place")
    ]
    return expand(rng.choice(wanted or SHORT), slots, rng), slots
